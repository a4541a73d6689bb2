#include "autograd/collectives.hpp"

#include "autograd/broadcast.hpp"
#include "kernels/pointwise.hpp"

namespace lact {
namespace {

// A sum in flight reduces in place, so it owns its numbers.
InFlight launched(const Var& x, Communicator& c) {
  Tensor t = like(x.value());
  kernels::unary(kernels::Unary::copy, t, x.value());
  auto work = std::make_shared<Work>(c.all_reduce(t));
  return {t, work, &c};
}

}  // namespace

InFlight begin_sum(const Var& x, Communicator& c) {
  if (c.size() == 1) return {x, nullptr, &c};
  InFlight f = launched(x, c);
  f.buffer = op(
      "begin_sum", f.buffer.value(), {x}, [&c](const Var& dy) { return Grads{sum_over(dy, c)}; }, Rule::collective);
  return f;
}

Var finish(InFlight f) {
  if (f.along->size() == 1) return f.buffer;
  f.work->wait();
  return op(
      "finish_sum", f.buffer.value(), {f.buffer}, [](const Var& dy) { return Grads{dy}; }, Rule::collective);
}

Var sum_over(const Var& x, Communicator& c) { return finish(begin_sum(x, c)); }

}  // namespace lact
