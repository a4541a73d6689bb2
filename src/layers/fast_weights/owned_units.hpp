// Newton-Schulz is the same work on every rank that shares a chunk's tokens, so each matrix (W0, W1, W2 of one head of
// one sample) has one owner among the ranks of cp and, where the hidden width is split, of tp. The gradient's parts are
// summed towards the owners, who step; the new weights travel back. The two ways are adjoints of each other and move
// as many bytes as one all-reduce of the gradient.
#pragma once
#include <array>

#include "autograd/collectives.hpp"
#include "layers/context.hpp"
#include "layers/fast_weights/network.hpp"

namespace lact {

class OwnedUnits {
 public:
  // `held`: this rank's weights, [B, d, dh], [B, dh, d], [B, d, dh]; with `hidden_split` their 1 / tp of dh. With
  // `join_gates` W0 and W2 of an item are one matrix and have one owner.
  OwnedUnits(Ctx& c, const FastWeights& held, bool over_cp, bool hidden_split, bool join_gates = false);
  // The matrices that this rank owns, whole, [n, ., .] of each kind (n may be 0), from what every rank holds of them.
  FastWeights own(const FastWeights& held) const;
  // The same matrices of the sum over cp.
  struct Sum {
    FastWeights alone;  // one rank: nothing travels
    InFlight parts;
  };
  Sum begin_sum(const FastWeights& parts) const;
  FastWeights finish_sum(Sum s) const;
  // Back from the owners to what every rank holds.
  FastWeights publish(const FastWeights& own) const;
  // A number per item, [B, 1, 1], for the matrices of one kind that this rank owns, [n, 1, 1].
  Var of_own(const Var& per_item, int kind) const;

 private:
  using Kinds = std::array<std::vector<std::int64_t>, 3>;  // items of each kind
  Var packed(const FastWeights& held, std::size_t cp_rank) const;
  FastWeights assembled(const Var& mine) const;
  Var over_tp(const Var& x, bool to_owners) const;
  std::int64_t numbers(std::size_t cp_rank, std::size_t tp_rank) const;
  const Kinds& items(std::size_t cp_rank, std::size_t tp_rank) const { return items_[cp_rank * tp_ + tp_rank]; }

  Communicator &cp_line_, &tp_line_;
  std::size_t cp_, tp_;
  std::size_t cp_rank_, tp_rank_;
  std::int64_t batch_ = 0;
  std::array<Shape, 3> piece_;           // what a rank holds of one matrix of each kind
  std::vector<Kinds> items_;             // by owner
  std::vector<std::int64_t> cp_counts_;  // numbers of each place in cp
};

}  // namespace lact
