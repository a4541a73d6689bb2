// Context parallelism by heads: queries, keys, values and rates travel to the ranks that own their heads, the outputs
// travel back, and nothing is summed. Less to move where chunks are short: token rows instead of matrices. Any number
// of heads: the shares differ by at most one, and a rank may own none.
//   2 ranks, heads a b: rank 0 holds tokens 0 1 of both heads, rank 1 tokens 2 3;
//   then rank 0 runs all four tokens of a, rank 1 all four of b
#pragma once
#include "layers/fast_weights/run_plan.hpp"

namespace lact {

class HeadExchange {
 public:
  HeadExchange(Ctx& c, const TokenLayout& tokens, std::int64_t items);  // items = batch x heads
  FastWeights own(const FastWeights& all) const;                        // those of this rank's items
  FastWeightTokens to_owners(const FastWeightTokens& mine) const;       // the whole sequence of this rank's items
  // Outputs to the ranks that hold their tokens, and every item's state to all ranks.
  FastWeightRun back(const FastWeightRun& run, const TttPlan& plan) const;

  // [items, tokens of this rank, width] -> [own items, whole sequence, width]
  Var whole_sequence_of_own(const Var& mine) const;
  // The way back, from rows of the own items: `rows` of each rank's.
  Var to_holders(const Var& own, const std::vector<std::vector<Range>>& rows) const;

 private:
  Communicator& cp_;
  const TokenLayout& tokens_;
  std::vector<std::int64_t> items_;  // of each rank
  Range own_;
};

}  // namespace lact
