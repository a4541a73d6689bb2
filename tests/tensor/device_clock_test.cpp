// Time by a device's own marks, and spans that a timeline and a profiler see.
#include "tensor/device_clock.hpp"

#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

constexpr double slack = 2e-3;  // between the host's clock and a GPU's

TEST(TimedMarks, LieInTheOrderOfTheStreamAndWithinTheHostsTime) {
  Device& d = tested();
  const Tensor x = Tensor::zeros(d, {1 << 20});
  d.compute().finish();
  const double host = steady_seconds();
  const Event begin = d.compute().mark_time();
  for (int i = 0; i < 10; ++i) d.clear(x.raw(), std::size_t(x.count()) * sizeof(float));
  const Event middle = d.compute().mark_time();
  const Event end = d.compute().mark_time();
  const double all = end.seconds_since(begin);  // waits for it
  EXPECT_TRUE(end.happened());
  EXPECT_LE(all, steady_seconds() - host + slack);
  EXPECT_GE(middle.seconds_since(begin), 0);
  EXPECT_NEAR(middle.seconds_since(begin) + end.seconds_since(middle), all, 1e-5);
  EXPECT_LE(begin.seconds_since(end), 0);
}

TEST(DeviceClock, AgreesWithTheHostsWhenNothingIsUnderWay) {
  const Clock clock = clock_of(tested());
  tested().compute().finish();
  const double before = steady_seconds();
  const Moment now = now_by(clock);
  tested().compute().finish();
  const double after = steady_seconds();
  EXPECT_GE(now(), before - slack);
  EXPECT_LE(now(), after + slack);
}

class Watching final : public Profiler {
 public:
  void begin(const std::string& name) override { told += name + "("; }
  void end() override { told += ")"; }
  std::string told;
};

void work(Spans* spans) {
  const Spanning step(spans, "step", "step");
  { const Spanning inner(spans, "begin", "sum", 40); }
  spans->turn("block", "b1");
  spans->turn("block", "b0");
  const Moment begin = spans->now();
  { const Spanning inner(spans, "wait", "wait"); }
  spans->add_beside({.kind = "collective", .name = "flight"}, begin);
  spans->turn("block", "");
  spans->turn("block", "");
}

TEST(Spans, NestInTheTimesOfTheDeviceAndForAProfiler) {
  const auto profiler = std::make_shared<Watching>();
  Spans spans(clock_of(tested()), profiler);
  work(&spans);
  tested().compute().finish();
  spans.settle();
  spans.settle();
  EXPECT_EQ(profiler->told, "step(sum()b1()b0(wait()))");
  std::string names;
  for (const Span& s : spans.all()) {
    names += s.name + " ";
    EXPECT_LE(s.begin, s.end) << s.name;
    EXPECT_GE(s.begin, spans.all().back().begin) << s.name;
    EXPECT_LE(s.end, spans.all().back().end) << s.name;
    EXPECT_EQ(s.beside, s.name == "flight");
    EXPECT_EQ(s.bytes, s.name == "sum" ? 40 : 0);
  }
  EXPECT_EQ(names, "sum b1 wait flight b0 step ");
}

TEST(Spans, OnlyShownAreNotKept) {
  const auto profiler = std::make_shared<Watching>();
  const auto spans = Spans::only_shown(profiler);
  work(spans.get());
  spans->settle();
  EXPECT_TRUE(spans->all().empty());
  EXPECT_EQ(profiler->told, "step(sum()b1()b0(wait()))");
}

}  // namespace
}  // namespace lact
