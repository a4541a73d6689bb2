// Collectives as pairs of ops with useful work between them; reverse order makes the backward overlap too. The pullback of a
// collective is its exact transpose, and it pulls back even a zero.
#pragma once
#include "autograd/tape.hpp"
#include "parallel/communicator.hpp"

namespace lact {

struct InFlight {
  Var buffer;
  std::shared_ptr<Work> work;
  Communicator* along = nullptr;
};
InFlight begin_sum(const Var& x, Communicator& c);  // its pullback waits
Var finish(InFlight f);                             // its pullback begins the adjoint, which is again a sum
Var sum_over(const Var& x, Communicator& c);

}  // namespace lact
