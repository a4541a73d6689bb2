// Collectives as pairs of ops with useful work between them. The pullback of a collective is its exact transpose, and
// it pulls back even a zero.
#pragma once
#include "autograd/tape.hpp"
#include "parallel/communicator.hpp"

namespace lact {

struct InFlight {
  Var buffer;
  std::shared_ptr<Work> work;
  Communicator* along = nullptr;
};
InFlight begin_sum(const Var& x, Communicator& c);  // its pullback is the adjoint, again a sum, and waits for it
Var finish(InFlight f);
Var sum_over(const Var& x, Communicator& c);

}  // namespace lact
