#include "layers/fast_weights/by_heads.hpp"

#include "autograd/collectives.hpp"
#include "autograd/ops.hpp"

namespace lact {

// An evaluation takes a sample at a time, so there may be fewer items than ranks: some then own none of them.
HeadExchange::HeadExchange(Ctx& c, const TokenLayout& tokens, std::int64_t items)
    : cp_(c.mesh.along(Axis::cp)),
      tokens_(tokens),
      items_(even_counts(items, cp_.size())),
      own_(even_part(items, cp_.rank(), cp_.size())) {}

FastWeights HeadExchange::own(const FastWeights& all) const {
  return {cut(all.w0, 0, own_), cut(all.w1, 0, own_), cut(all.w2, 0, own_)};
}

Var HeadExchange::whole_sequence_of_own(const Var& mine) const {
  return in_sequence_order(all_to_all(mine, 0, 1, cp_, items_, tokens_.counts()), tokens_);
}

FastWeightTokens HeadExchange::to_owners(const FastWeightTokens& mine) const {
  return travelled(mine, [this](const Var& part) { return whole_sequence_of_own(part); });
}

Var HeadExchange::to_holders(const Var& own, const std::vector<std::vector<Range>>& rows) const {
  std::vector<Range> leaving;
  std::vector<std::int64_t> counts;
  for (const std::vector<Range>& of_rank : rows) {
    leaving.insert(leaving.end(), of_rank.begin(), of_rank.end());
    counts.push_back(total(of_rank));
  }
  return all_to_all(gather_rows(own, leaving), 1, 0, cp_, counts, items_);
}

FastWeightRun HeadExchange::back(const FastWeightRun& run, const TttPlan& plan) const {
  FastWeightRun result;
  result.state = {gather(run.state.w0, 0, cp_, items_), gather(run.state.w1, 0, cp_, items_),
                  gather(run.state.w2, 0, cp_, items_)};
  if (!run.out) return result;
  std::vector<std::vector<Range>> rows;
  for (const auto& held : tokens_.of_rank) rows.push_back(applied_rows(clipped(plan, tokens_.tokens), held));
  result.out = to_holders(run.out, rows);
  return result;
}

}  // namespace lact
