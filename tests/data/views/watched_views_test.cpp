// What is damaged, and what only cannot be read now.
#include "data/views/watched_views.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/flat_views.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

// Its views have files that anybody can read, whatever goes wrong with them.
class WithFiles : public FlatViews {
 public:
  explicit WithFiles(std::string file) : file_(std::move(file)) {}
  Camera camera(std::int64_t s, std::int64_t v) const override {
    Camera c = FlatViews::camera(s, v);
    c.image = file_;
    return c;
  }

 private:
  std::string file_;
};

TEST(WatchedViews, OnlyDamageIsRemembered) {
  const TemporaryFolder folder;
  auto files = std::make_unique<WithFiles>(folder.write("p.png", "bytes"));
  WithFiles& source = *files;
  const WatchedViews watched(std::move(files));
  source.broken = 3, source.damaged = {4};
  for (int again = 0; again < 2; ++again) {
    EXPECT_THROW(watched.load(0, 4, 2, 2), DamagedPicture);
    try {  // memory, a share that is gone, a link out of the folder
      watched.load(0, 3, 2, 2);
      FAIL() << "no error";
    } catch (const DamagedPicture&) {
      FAIL() << "what passes is no damage";
    } catch (const Error&) {
    }
  }
  EXPECT_EQ(source.loads[4], 1);
  EXPECT_EQ(source.loads[3], 2);
  EXPECT_EQ(watched.damaged(), (std::vector<std::string>{"picture 4 is damaged"}));
  source.broken = -1;
  EXPECT_EQ(watched.load(0, 3, 2, 2).rgb[0], 3);
}

class Looked : public FlatViews {
 public:
  static constexpr std::int64_t many = 1000;
  std::int64_t views(std::int64_t s) const override { return s == 0 ? 0 : many; }
  Camera looked_at(std::int64_t s, std::int64_t v) const override {
    if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    places.push_back((s - 1) * many + v);
    check(v != broken.load(), "picture {} is broken", v);
    if (damaged.contains(v)) throw DamagedPicture("picture " + std::to_string(v) + " is damaged", "");
    return camera(s, v);
  }
  mutable std::vector<std::int64_t> places;
  bool slow = false;
};

TEST(LookAtSome, DamageIsRememberedAndAnyOtherErrorThrown) {
  auto source = std::make_unique<Looked>();
  Looked& looked = *source;
  const WatchedViews watched(std::move(source));
  looked.damaged = {7};
  look_at_some(watched);
  EXPECT_EQ(watched.damaged().size(), 2u);
  EXPECT_EQ(looked.places.size(), 2000u);
  std::ranges::sort(looked.places);
  EXPECT_TRUE(std::ranges::adjacent_find(looked.places) == looked.places.end());
  EXPECT_THROW(watched.load(1, 7, 2, 2), DamagedPicture);
  looked.broken = 9;
  EXPECT_EQ(sentence_of([&] { look_at_some(watched); }), "picture 9 is broken");
}

TEST(LookAtSome, IsSpreadOverAllAlsoWhereTimeRunsOut) {
  auto source = std::make_unique<Looked>();
  Looked& looked = *source;
  const WatchedViews watched(std::move(source));
  looked.slow = true;
  look_at_some(watched, 0.25);
  std::vector<std::int64_t> places = looked.places;
  const auto n = std::int64_t(places.size());
  ASSERT_GE(n, 2);
  ASSERT_LT(n, 100);
  std::ranges::sort(places);
  places.push_back(2 * Looked::many);
  std::int64_t last = 0, widest = 0;
  for (const std::int64_t p : places) widest = std::max(widest, p - last), last = p;
  EXPECT_LE(widest, 3 * 2 * Looked::many / n);  // golden steps leave gaps of at most 2.7 times the mean
}

}  // namespace
}  // namespace lact
