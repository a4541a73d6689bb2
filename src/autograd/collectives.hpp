// Collectives as pairs of ops with useful work between them. The pullback of a collective is its exact transpose, and
// it pulls back even a zero: finish's pullback begins the adjoint, begin's waits for it, so whatever stands between the
// two hides the transfer in both directions.
#pragma once
#include "autograd/tape.hpp"
#include "parallel/communicator.hpp"

namespace lact {

struct InFlight {  // single use: begun, then finished once
  Var buffer;      // the result; its numbers are there after finish()
  std::shared_ptr<struct Adjoint> adjoint;
  Work work;
};
Var finish(InFlight f);

// The sum over the ranks; its own adjoint.
InFlight begin_sum(const Var& x, Communicator& c);
Var sum_over(const Var& x, Communicator& c);

// What the ranks hold, joined along `dim` in rank order; counts: each rank's size of that dim (equal if not given).
InFlight begin_gather(const Var& x, int dim, Communicator& c, std::vector<std::int64_t> counts = {});
Var gather(const Var& x, int dim, Communicator& c, std::vector<std::int64_t> counts = {});

// The adjoint of gather: this rank's part along `dim` of the sum over the ranks (even_counts if not given).
InFlight begin_scatter_sum(const Var& x, int dim, Communicator& c, std::vector<std::int64_t> counts = {});
Var scatter_sum(const Var& x, int dim, Communicator& c, std::vector<std::int64_t> counts = {});

// x [n] in parts for each rank; counts [from * ranks + to] in elements. The adjoint sends them back.
InFlight begin_all_to_all(const Var& x, Communicator& c, std::vector<std::int64_t> counts);
Var all_to_all(const Var& x, Communicator& c, std::vector<std::int64_t> counts);

}  // namespace lact
