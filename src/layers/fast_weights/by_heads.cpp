#include <algorithm>
#include <utility>

#include "autograd/collectives.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "layers/fast_weights/run_plan.hpp"

namespace lact {
namespace {

// Blocks of rows of a sequence, [B, rows, width], put together in the order of their first token.
struct Block {
  std::int64_t begin = 0;
  Var rows;
};
Var in_order(std::vector<Block> blocks) {
  std::ranges::stable_sort(blocks, {}, &Block::begin);
  std::vector<Var> rows;
  for (const Block& b : blocks) rows.push_back(b.rows);
  return join(rows, 1);
}

// Where the applied tokens of each rank stand in the output of the whole plan.
std::vector<std::vector<Range>> output_rows(const TttPlan& plan, const TokenCut& cut) {
  std::vector<std::vector<Range>> out(cut.of_rank.size());
  std::int64_t before = 0;
  for (const TttEvent& e : plan) {
    if (e.kind != TttEvent::apply) continue;
    for (std::size_t r = 0; r < out.size(); ++r)
      for (const Range& held : cut.of_rank[r]) {
        Range both{std::max(held.begin, e.tokens.begin), std::min(held.end, e.tokens.end)};
        if (!both.empty()) out[r].push_back({both.begin - e.tokens.begin + before, both.end - e.tokens.begin + before});
      }
    before += e.tokens.size();
  }
  return out;
}

}  // namespace

FastWeightRun run_fast_weights_by_heads(Ctx& c, const FastWeights& initial, const FastWeightTokens& x,
                                        const TttPlan& plan, const FastWeightRule& rule, const FastWeightCut& how) {
  const TokenCut& tokens = *how.tokens;
  Communicator& cp = c.mesh.along(Axis::cp);
  const std::int64_t batch = x.q.dim(0);
  // An evaluation takes a sample at a time, so there may be fewer heads than ranks: some then own none of them.
  const std::vector<std::int64_t> heads = even_counts(batch, cp.size());
  const Range own = even_part(batch, cp.rank(), cp.size());
  auto of_own = [own](const Var& all) { return cut(all, 0, own); };

  std::vector<std::int64_t> held;  // tokens of each rank
  for (const auto& ranges : tokens.of_rank) held.push_back(total(ranges));
  auto to_owners = [&](const Var& mine) {
    const Var came = all_to_all(mine, 0, 1, cp, heads, held);
    std::vector<Block> blocks{{0, cut(came, 1, {0, 0})}};  // a sequence may be empty
    std::int64_t row = 0;
    for (const auto& ranges : tokens.of_rank)
      for (const Range& r : ranges) blocks.push_back({r.begin, cut(came, 1, {row, row + r.size()})}), row += r.size();
    return in_order(std::move(blocks));
  };
  const FastWeights weights{of_own(initial.w0), of_own(initial.w1), of_own(initial.w2)};
  FastWeightRun run = run_fast_weights(c, weights, travelled(x, to_owners), plan, rule, {.hidden = how.hidden});
  FastWeightRun result;
  result.state = {gather(run.state.w0, 0, cp, heads), gather(run.state.w1, 0, cp, heads),
                  gather(run.state.w2, 0, cp, heads)};
  if (!run.out) return result;

  std::vector<Var> leaving{cut(run.out, 1, {0, 0})};
  std::vector<std::int64_t> counts;
  for (const auto& ranges : output_rows(clipped(plan, tokens.tokens), tokens)) {
    for (const Range& range : ranges) leaving.push_back(cut(run.out, 1, range));
    counts.push_back(total(ranges));
  }
  result.out = all_to_all(join(leaving, 1), 1, 0, cp, counts, heads);
  return result;
}

}  // namespace lact
