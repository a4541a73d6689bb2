// Collectives as pairs of ops, begin and finish, with useful work between them: it hides the transfer, in the backward
// pass too, where finish begins the adjoint and begin waits for it. The pullback of a collective is its exact
// transpose, and it pulls back even a zero, so every rank of the communicator runs the same collectives in the same
// order, with values that are tracked on all ranks or on none. Differentiable any number of times.
//
//   sum <-> sum;  gather <-> scatter_sum;  all_to_all <-> its inverse;  exchange <-> back
#pragma once
#include "autograd/tape.hpp"
#include "parallel/communicator.hpp"

namespace lact {

class InFlight {  // a collective that was begun: for one finish(); dropped, it completes and its result is lost
 public:
  InFlight() = default;

 private:
  friend struct CollectiveOp;
  friend std::vector<Var> finish_all(InFlight f);
  std::vector<Var> local_;  // the results already, where there is one rank
  Var buffer_;              // what arrives; its numbers are valid after work_
  Work work_;
  std::function<std::vector<Tensor>(const Tensor&)> unpack_;
  std::function<InFlight(std::span<const Var> dys)> adjoint_;
  std::shared_ptr<std::unique_ptr<InFlight>> returning_;  // the adjoint, from finish's pullback to begin's
};
std::vector<Var> finish_all(InFlight f);
Var finish(InFlight f);  // of a collective with one result

// Everybody's sum. f32, f64.
InFlight begin_sum(const Var& x, Communicator& c);
Var sum_over(const Var& x, Communicator& c);

// gather joins the ranks' x along a dim, in rank order; counts: their sizes along it where they differ. Any type; the
// gradient of bf16 values travels in f32. scatter_sum adds up the ranks' x and leaves each its part of the dim.
//   2 ranks, dim 0:  gather [a b] [c d] -> [a b c d] on both;  scatter_sum [a b c d] [e f g h] -> [a+e b+f] [c+g d+h]
InFlight begin_gather(const Var& x, int dim, Communicator& c, std::span<const std::int64_t> counts = {});
Var gather(const Var& x, int dim, Communicator& c, std::span<const std::int64_t> counts = {});
InFlight begin_scatter_sum(const Var& x, int dim, Communicator& c, std::span<const std::int64_t> counts = {});
Var scatter_sum(const Var& x, int dim, Communicator& c, std::span<const std::int64_t> counts = {});

// Cuts x along one dim, a part for each rank, and joins what comes from them along another. The counts of cut_dim are
// the same on all ranks, those of join_dim are each rank's size of its own x; either may be left out where all are
// equal.
//   [tokens of rank r, all heads] -> all_to_all(x, heads, tokens) -> [all tokens, heads of rank r]
InFlight begin_all_to_all(const Var& x, int cut_dim, int join_dim, Communicator& c,
                          std::span<const std::int64_t> cut_counts = {},
                          std::span<const std::int64_t> join_counts = {});
Var all_to_all(const Var& x, int cut_dim, int join_dim, Communicator& c, std::span<const std::int64_t> cut_counts = {},
               std::span<const std::int64_t> join_counts = {});

// Values to and from single ranks. A rank may send or receive nothing; `place` is any tracked value, which gives it its
// place on the tape. The results are the values received, in the order of `wanted`; finish_all() gives an empty one
// more.
struct Sent {
  Var body;
  int to = 0;
};
struct Wanted {
  Shape shape;
  int from = 0;
};
InFlight begin_exchange(const Var& place, std::span<const Sent> sent, std::span<const Wanted> wanted, Communicator& c);
std::vector<Var> exchange(const Var& place, std::span<const Sent> sent, std::span<const Wanted> wanted,
                          Communicator& c);

}  // namespace lact
