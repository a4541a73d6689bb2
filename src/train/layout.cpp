#include "train/layout.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "layers/fast_weights/run_plan.hpp"
#include "parallel/pipeline/schedule.hpp"

namespace lact {
namespace {

std::string objection_of_heads(const Costs& costs, int cp, int tp) {
  for (const SubLayerShape& s : costs.sub_layers) {
    if (s.kind == SubLayerShape::recurrent && s.heads % tp != 0)
      return sentence("parallel.tp={} does not divide the {} heads of {}", tp, s.heads, s.key);
    if (s.heads_over_cp && s.heads / tp < cp)
      return sentence("parallel.cp={} leaves ranks without one of the {} heads of {} (parallel.tp={})", cp, s.heads,
                      s.key, tp);
    if (s.kind == SubLayerShape::attention && s.heads % tp != 0)
      return sentence("parallel.tp={} does not divide the {} heads of {} (attention)", tp, s.heads, s.key);
    if (s.kind == SubLayerShape::mlp && s.hidden % tp != 0)
      return sentence("parallel.tp={} does not divide the hidden width {} of {} (MLP)", tp, s.hidden, s.key);
    if (s.kind == SubLayerShape::fast_weights && s.whole_heads && s.heads % tp != 0)
      return sentence("parallel.tp={} does not divide the {} heads of {} (fast weights)", tp, s.heads, s.key);
    if (s.kind == SubLayerShape::fast_weights && s.heads % tp != 0 && s.hidden % tp != 0)
      return sentence(
          "parallel.tp={} divides neither the {} heads of {} (fast weights) nor the hidden width {} of one head", tp,
          s.heads, s.key, s.hidden);
  }
  return {};
}

// Whether context parallelism by heads gives each rank of cp as many of them, over all samples of a micro-batch.
bool heads_divide(const RunConfig& cfg, const Costs& costs, const Grid& grid) {
  auto [pp, dp, cp, tp] = grid.size;
  std::int64_t samples = samples_of_micro_batch(cfg) / dp;
  for (const SubLayerShape& s : costs.sub_layers)
    if (s.kind == SubLayerShape::fast_weights && samples * s.heads / (s.heads % tp == 0 ? tp : 1) % cp != 0)
      return false;
  return true;
}

// Doublings between two layouts; dp counts as what is left over when it was not asked for.
double distance(const Grid& possible, const std::array<double, 4>& asked) {
  double d = 0;
  for (std::size_t a = 0; a < 4; ++a) d += std::abs(std::log2(double(possible.size[a]) / asked[a]));
  return d;
}

std::string nearest_layouts(const RunConfig& cfg, int ranks) {
  const RunConfig::Parallel& p = cfg.parallel;
  std::array<double, 4> asked{double(p.pp), double(p.dp), double(p.cp), double(p.tp)};
  for (std::size_t a : {0, 2, 3}) asked[a] = std::max(asked[a], 1.0);
  if (p.dp == 0) asked[1] = std::max(1.0, double(ranks) / (asked[0] * asked[2] * asked[3]));
  std::vector<Grid> all = possible_layouts(cfg, ranks);
  std::ranges::stable_sort(all, {}, [&](const Grid& g) { return std::lround(1e6 * distance(g, asked)); });
  std::string out;
  constexpr std::size_t shown = 3;
  for (std::size_t i = 0; i < std::min(all.size(), shown); ++i) out += (i == 0 ? "" : ", or ") + text_of(all[i]);
  return out;
}

}  // namespace

std::string text_of(const Grid& g) {
  return fill("pp={} dp={} cp={} tp={}", {g.size[0], g.size[1], g.size[2], g.size[3]});
}

std::string objection_to(const RunConfig& cfg, const Grid& grid) {
  auto [pp, dp, cp, tp] = grid.size;
  const std::int64_t micro = samples_of_micro_batch(cfg), stages = pp * cfg.parallel.interleave;
  const Costs costs = cfg.task->costs(micro);
  if (micro % dp != 0)
    return sentence(
        "parallel.dp={} does not divide the {} samples of a micro-batch (train.batch_size={} / "
        "train.accumulate={})",
        dp, micro, cfg.train.batch_size, cfg.train.accumulate);
  if (stages > costs.blocks && cfg.parallel.interleave > 1)
    return sentence("parallel.pp={} with parallel.interleave={} needs {} blocks, and {}={}", pp,
                    cfg.parallel.interleave, stages, costs.blocks_key, costs.blocks);
  if (stages > costs.blocks)
    return sentence("parallel.pp={} needs as many blocks, and {}={}", pp, costs.blocks_key, costs.blocks);
  if (pp > 1 && !costs.ends_are_tied.empty())
    return sentence("parallel.pp={} cannot be: {} has the first and the last stage share a parameter", pp,
                    costs.ends_are_tied);
  if (cfg.parallel.interleave > 1 && pp == 1)
    return sentence("parallel.interleave={} needs more than one rank along the pipeline", cfg.parallel.interleave);
  if (cfg.parallel.interleave > 1 && cfg.train.accumulate % pp != 0)
    return sentence("parallel.interleave={} needs train.accumulate={} divisible by parallel.pp={}",
                    cfg.parallel.interleave, cfg.train.accumulate, pp);
  return objection_of_heads(costs, cp, tp);
}

std::vector<Grid> possible_layouts(const RunConfig& cfg, int ranks) {
  std::vector<Grid> out;
  for (int pp = 1; pp <= ranks; ++pp)
    for (int dp = 1; ranks % pp == 0 && dp <= ranks / pp; ++dp)
      for (int cp = 1; ranks / pp % dp == 0 && cp <= ranks / pp / dp; ++cp) {
        if (ranks / pp / dp % cp != 0) continue;
        Grid g{{pp, dp, cp, ranks / pp / dp / cp}};
        if (objection_to(cfg, g).empty()) out.push_back(g);
      }
  return out;
}

Grid layout_of(const RunConfig& cfg, int ranks) {
  const RunConfig::Parallel& p = cfg.parallel;
  std::string objection;
  Grid grid;
  try {
    grid = Grid::of(ranks, int(p.pp), int(p.dp), int(p.cp), int(p.tp));
    objection = objection_to(cfg, grid);
  } catch (const Error& e) {
    objection = e.what();
  }
  if (objection.empty()) return grid;
  std::string near = nearest_layouts(cfg, ranks);
  check(!near.empty(), "{}; no layout of {} ranks is possible", objection, ranks);
  fail("{}; possible with {} {} near it: {}", objection, ranks, ranks == 1 ? "rank" : "ranks", near);
}

std::int64_t samples_of_micro_batch(const RunConfig& cfg) { return cfg.train.batch_size / cfg.train.accumulate; }

Costs costs_of_micro_batch(const RunConfig& cfg) { return cfg.task->costs(samples_of_micro_batch(cfg)); }

std::vector<Range> stages_of(const RunConfig& cfg, const Grid& grid) {
  const Costs c = costs_of_micro_batch(cfg);
  const std::vector<double> blocks(std::size_t(c.blocks), c.forward.block.total());
  const int pp = grid.size[std::size_t(Axis::pp)], stages = pp == 1 ? 1 : pp * int(cfg.parallel.interleave);
  return split_blocks(blocks, c.forward.embed.total(), c.forward.head.total(), stages);
}

int stage_of(std::int64_t block, const std::vector<Range>& stages) {
  block = std::clamp(block, stages.front().begin, stages.back().end - 1);
  int stage = 0;
  while (block >= stages[std::size_t(stage)].end) ++stage;
  return stage;
}

CpChoice cp_choice(const RunConfig& cfg, const Grid& grid) {
  const auto cp = double(grid.size[std::size_t(Axis::cp)]);
  if (cp == 1) return {};
  const std::int64_t micro = samples_of_micro_batch(cfg);
  const Costs costs = cfg.task->costs(micro);
  const double samples = double(micro) / grid.size[std::size_t(Axis::dp)], sent = (cp - 1) / cp;
  double by_tokens = 0, by_heads = 0;
  for (const SubLayerShape& s : costs.sub_layers) {
    if (s.kind != SubLayerShape::fast_weights) continue;
    const auto tp = grid.size[std::size_t(Axis::tp)];
    const double items = samples * double(s.heads), matrices = 3 * double(s.head_dim * s.hidden) / tp;
    const double tokens = double(costs.tokens) / double(micro) / cp;
    by_tokens += 2 * sent * items * matrices * double(s.updates);  // summed towards the owners, published
    // q, k, v, rates there, outputs back, the new weights to all
    by_heads += sent * items * (tokens * double(4 * s.head_dim + 3) + matrices / cp);
  }
  if (const auto asked = cp_mode_named(cfg.parallel.cp_mode))
    return {*asked, sentence("context parallelism by {}, as asked (parallel.cp_mode)", name_of(*asked))};
  if (!heads_divide(cfg, costs, grid))
    return {CpMode::tokens, "context parallelism by tokens: the heads do not divide over the ranks"};
  const CpMode fewer = by_heads < by_tokens ? CpMode::heads : CpMode::tokens;
  return {
      fewer,
      sentence("context parallelism by {}: per block and pass a rank sends {:.2f} MB by tokens and {:.2f} MB by heads",
               name_of(fewer), by_tokens * 4e-6, by_heads * 4e-6)};
}

namespace {

Grid finest_beside(const RunConfig& cfg, Grid grid) {
  constexpr int most = 8;
  const std::int64_t samples = samples_of_micro_batch(cfg);
  int& dp = grid.size[std::size_t(Axis::dp)] = 1;
  while (dp < most && samples % (2 * dp) == 0) dp *= 2;
  grid.size[std::size_t(Axis::cp)] = most;
  return grid;
}

}  // namespace

bool repeats_bits(const RunConfig& cfg, const Grid& grid) {
  const Grid finest = finest_beside(cfg, grid);
  auto divides = [&](Axis a) { return finest.size[std::size_t(a)] % grid.size[std::size_t(a)] == 0; };
  return grid.size[std::size_t(Axis::pp)] == 1 && divides(Axis::dp) && divides(Axis::cp);
}

Grid finest_layout(const RunConfig& cfg, const Grid& grid) {
  const Grid finest = finest_beside(cfg, grid);
  check(repeats_bits(cfg, grid),
        "train.deterministic=true repeats the bits of layouts with pp=1 and powers of two for dp (up to {}) and cp "
        "(up to {}), and this one is {}",
        finest.size[std::size_t(Axis::dp)], finest.size[std::size_t(Axis::cp)], text_of(grid));
  return finest;
}

int player_of(int rank, const Grid& finest, const Grid& grid) {
  std::array<int, 4> place = finest.place(rank);
  for (std::size_t a = 0; a < 4; ++a) place[a] = place[a] * grid.size[a] / finest.size[a];
  return grid.rank_at(place);
}

}  // namespace lact
