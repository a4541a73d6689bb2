// Who holds which tokens of a sample. The tokens of every event are shared out over cp, and those of a rank once more
// over tp, where the residual stream, norms and rates live (sequence parallelism, Korthikanti et al. 2022). Arithmetic
// only, but for the exchanges at the end.
#pragma once
#include "autograd/tape.hpp"
#include "layers/context.hpp"
#include "layers/fast_weights/plan.hpp"

namespace lact {

struct TokenLayout {
  std::int64_t tokens = 0;                  // of the whole sequence
  std::vector<std::vector<Range>> of_rank;  // of every rank of cp, ascending and disjoint
  int cp_rank = 0, tp_rank = 0, tp = 1;

  static TokenLayout whole(std::int64_t tokens);
  static TokenLayout alike(std::int64_t tokens, const Mesh& mesh);  // every rank of cp holds all tokens
  static TokenLayout of(const TttPlan& plan, std::int64_t tokens, const Mesh& mesh);
  const std::vector<Range>& mine() const { return of_rank[std::size_t(cp_rank)]; }
  std::int64_t held() const;                  // tokens of this rank of cp
  std::vector<std::int64_t> counts() const;   // of each rank of cp
  std::vector<Range> rows() const;            // global ranges of this rank's part of the residual stream
  bool whole_spans(std::int64_t span) const;  // whether no rank of cp holds only a part of a span of so many tokens
};

// The numbers [from, to) of the concatenation of ranges, as ranges.
std::vector<Range> part_of(std::span<const Range> ranges, Range numbers);
std::int64_t total(std::span<const Range> ranges);

// x [b, t of this rank, ...] -> [b, t of all ranks of tp, ...], and its adjoint, which sums.
Var gather_tokens(Ctx& c, const Var& x, std::int64_t tokens);
Var scatter_tokens(Ctx& c, const Var& partial);
// The rows of all ranks of cp, rank after rank, [., rows, width], in the order of the sequence.
Var in_sequence_order(const Var& rows, const TokenLayout& tokens);
// The rows of all ranks of cp and tp in the order of the sequence, [b, tokens, ...].
Var whole_sequence(Ctx& c, const Var& x, const TokenLayout& tokens);

}  // namespace lact
