// What a profile says is what the ranks' ledgers and the step on paper say, and it leaves no trace in the weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "measure/plan.hpp"
#include "measure/profile_report.hpp"
#include "support/ranks.hpp"
#include "support/small_plan.hpp"
#include "train/layout.hpp"

namespace lact {
namespace {

RunConfig tiny() {
  return RunConfig::from_overrides(
      {"model.patch_size=8", "model.dim=24", "model.layers=4", "model.block_config.0.params.head_dim=12",
       "model.block_config.1.params.head_dim=12", "data.image_size=[16, 16]", "data.num_all_views=8",
       "data.num_input_views=4", "data.num_target_views=4", "data.synthetic.scenes=1", "data.synthetic.views=8",
       "data.synthetic.resolution=16", "data.threads=1", "train.batch_size=8", "train.accumulate=2",
       "train.activation_checkpointing=true", "compute.threads=1", "compute.device=cpu"});
}

std::vector<std::vector<float>> numbers_of(ParameterStore& store) {
  std::vector<std::vector<float>> all;
  for (const auto& b : store.buckets()) all.push_back(b.value.to_floats());
  return all;
}

void expect_calls_of_the_plan(const RankProfile& p, const RunConfig& cfg, const Grid& grid) {
  const PlannedRank planned = plan_rank(cfg, grid, world().rank(), any_machine(world().size()));
  std::size_t lines = 0;
  for (const auto& [label, line] : p.lines) {
    if (line.ranks == 1) continue;
    ++lines;
    ASSERT_TRUE(planned.lines.contains(label)) << label;
    for (std::size_t op = 0; op < op_kinds; ++op) {
      const Traffic::Row &said = line.traffic.rows[op], &plan = planned.lines.at(label).traffic.rows[op];
      EXPECT_EQ(said.calls, plan.calls) << label << " " << name_of(Op(op));
      EXPECT_EQ(said.bytes, plan.bytes) << label << " " << name_of(Op(op));
    }
  }
  EXPECT_EQ(lines, planned.lines.size());
}

// Whatever begins inside a span ends there, and what a timeline must show is there.
void expect_nested(const Spans& all, std::int64_t steps) {
  std::vector<Span> spans = all.all();
  std::erase_if(spans, [](const Span& s) { return s.beside; });
  std::ranges::stable_sort(spans, {}, [](const Span& s) { return std::tuple(s.begin, -s.end); });
  std::vector<const Span*> open;
  std::set<std::string> kinds;
  for (const Span& s : spans) {
    EXPECT_LE(s.begin, s.end);
    while (!open.empty() && open.back()->end <= s.begin) open.pop_back();
    const Span& around = open.empty() ? s : *open.back();
    EXPECT_LE(s.end, around.end) << s.name << " in " << around.name;
    EXPECT_TRUE(s.kind != "step" || open.empty());
    open.push_back(&s);
    kinds.insert(s.kind);
  }
  for (const std::string kind : {"step", "forward", "backward", "block", "data", "optimizer"})
    EXPECT_TRUE(kinds.contains(kind)) << kind;
  EXPECT_EQ(std::ranges::count(spans, "step", &Span::kind), steps);
}

void expect_every_call_in_the_spans(const RankProfile& p, std::int64_t steps) {
  for (const auto& [label, line] : p.lines)
    for (std::size_t op = 0; op < op_kinds; ++op) {
      const std::string name = "begin " + label + " " + name_of(Op(op));
      std::int64_t calls = 0, bytes = 0;
      for (const Span& s : p.spans.all())
        if (s.name == name) ++calls, bytes += s.bytes;
      EXPECT_EQ(calls, steps * line.traffic.rows[op].calls) << name;
      EXPECT_EQ(bytes, steps * line.traffic.rows[op].bytes) << name;
    }
}

TEST(Profile, OfEveryLayoutSaysWhatTheLedgersSayAndLeavesTheWeights) {
  const RunConfig cfg = tiny();
  const auto data = cfg.task->open_data(false);
  constexpr std::int64_t pairs = 2, alone = 1, traced = 2;
  for (const Grid& grid : possible_layouts(cfg, world().size())) {
    SCOPED_TRACE(text_of(grid));
    LoadedModel m(cfg, std::make_unique<Mesh>(grid, world().split(0, world().rank(), "world")),
                  Device::open(Backend::cpu));
    const auto before = numbers_of(m.store);
    const RankProfile p = profile(m, *data, {pairs, alone, traced});
    EXPECT_EQ(numbers_of(m.store), before);
    EXPECT_EQ(p.real.size(), std::size_t(pairs));
    EXPECT_EQ(p.control.size(), std::size_t(pairs));
    EXPECT_EQ(p.tokens, 2 * 4 * 8 * 4) << "micro-batches, samples, views, tokens";
    EXPECT_EQ(p.independent.size(), std::size_t(grid.size[0] == 1 && grid.size[3] == 1 && 4 % grid.size[2] == 0));
    for (double s : p.control) EXPECT_GT(s, 0);
    expect_calls_of_the_plan(p, cfg, grid);
    expect_nested(p.spans, traced);
    expect_every_call_in_the_spans(p, traced);
  }
}

TEST(Profile, TheSummaryIsOfAllRanks) {
  const RunConfig cfg = tiny();
  const auto data = cfg.task->open_data(false);
  const Grid grid = possible_layouts(cfg, world().size()).front();
  LoadedModel m(cfg, std::make_unique<Mesh>(grid, world().split(0, world().rank(), "world")),
                Device::open(Backend::cpu));
  const RankProfile mine = profile(m, *data, {3, 0, 1});
  const std::vector<Json> ranks = of_all_ranks(m, as_json(mine, m)), spans = of_all_ranks(m, spans_json(mine));
  ASSERT_EQ(ranks.size(), std::size_t(world().size()));
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    EXPECT_EQ(ranks[r]["rank"].integer(), std::int64_t(r));
    EXPECT_GT(spans[r].size(), 0);
  }
  const Json s = Json::parse(summary(m, mine, ranks).dump(), "summary");
  for (std::int64_t i = 0; i < 3; ++i) {
    double real = 0, control = 0;
    for (const Json& r : ranks) {
      real = std::max(real, r["real"].at(i).number());
      control = std::max(control, r["control"].at(i).number());
    }
    EXPECT_DOUBLE_EQ(s["step"]["all"].at(i).number(), real);
    EXPECT_DOUBLE_EQ(s["overhead"]["all"].at(i).number(), real / control - 1);
  }
  double weights = 0;
  for (const Json& r : ranks) weights = std::max(weights, r["memory"]["weights"].number());
  EXPECT_EQ(s["memory"]["weights"].number(), weights);
  EXPECT_GT(s["memory"]["activations"].number(), 0);
  EXPECT_EQ(s["pipeline"].is_null(), grid.size[0] == 1);
  EXPECT_TRUE(s["independent"].is_null());
  for (const Json& a : s["axes"].items()) {
    double slowest = 0;
    for (const Json& r : ranks)
      for (const Json& l : r["lines"].items())
        if (l["axis"].text() == a["axis"].text()) slowest = std::max(slowest, l["total"]["exposed_seconds"].number());
    EXPECT_EQ(a["exposed_seconds"].number(), slowest) << a["axis"].text();
  }
}

// What a call leaves behind where nobody else is there: the own part, and zeros.
TEST(Muted, AnOwnPartAloneArrives) {
  const auto line = world().split(0, world().rank(), "muted");
  const auto d = Device::open(Backend::cpu);
  const int n = line->size(), me = line->rank();
  constexpr std::int64_t part = 3;
  auto numbers = [&](std::int64_t count) {
    std::vector<float> x;
    for (std::int64_t i = 0; i < count; ++i) x.push_back(float(100 * me + i + 1));
    return x;
  };
  auto tensor = [&](std::int64_t count) { return Tensor::of(*d, {count}, std::span<const float>(numbers(count))); };
  auto own_in_zeros = [&](const std::vector<float>& own) {
    std::vector<float> x(std::size_t(part * n));
    std::ranges::copy(own, x.begin() + part * me);
    return x;
  };
  auto own_of = [&](const std::vector<float>& all) {
    return std::vector<float>(all.begin() + part * me, all.begin() + part * (me + 1));
  };
  line->mute(true);
  const Tensor whole = tensor(part * n), small = tensor(part), out = tensor(part * n), little = tensor(part);
  line->all_reduce(whole).wait();
  EXPECT_EQ(whole.to_floats(), numbers(part * n));
  line->all_gather(out, small).wait();
  EXPECT_EQ(out.to_floats(), own_in_zeros(numbers(part)));
  line->all_gather(whole, whole.cut(0, {part * me, part * (me + 1)})).wait();
  EXPECT_EQ(whole.to_floats(), numbers(part * n)) << "in place nothing changes";
  line->reduce_scatter(little, whole).wait();
  EXPECT_EQ(little.to_floats(), own_of(numbers(part * n)));
  line->all_to_all(out, whole).wait();
  EXPECT_EQ(out.to_floats(), own_in_zeros(own_of(numbers(part * n))));
  line->broadcast(small, 0).wait();
  EXPECT_EQ(small.to_floats(), me == 0 ? numbers(part) : std::vector<float>(part));
  if (n > 1) {
    const std::vector<Message> messages{{whole, (me + 1) % n, true}, {out, (me + n - 1) % n, false}};
    line->exchange(messages).wait();
    EXPECT_EQ(out.to_floats(), std::vector<float>(std::size_t(part * n)));
  }
  EXPECT_EQ(line->traffic().of(Op::all_gather).calls, 2) << "the ledger goes on";
  EXPECT_EQ(line->traffic().of(Op::all_gather).bytes, 2 * part * (n - 1) * 4);
  line->mute(false);
  const Tensor one = Tensor::of(*d, {1}, std::vector<float>{1});
  line->all_reduce(one).wait();
  EXPECT_EQ(one.item(), n);
}

}  // namespace
}  // namespace lact
