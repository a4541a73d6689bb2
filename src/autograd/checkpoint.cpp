#include "autograd/checkpoint.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace lact {

std::vector<Var> checkpoint(Tape* tape, std::vector<Var> inputs, Body body) {
  if (tape == nullptr) return body(nullptr, inputs);
  std::vector<Var> plain;
  for (const Var& x : inputs) plain.emplace_back(x.value());
  std::vector<Tensor> results;
  for (const Var& y : body(nullptr, plain)) results.push_back(y.value());
  // parameters drawn inside want their gradients even where no input is tracked: then a leaf without numbers holds the
  // node
  bool tracked = std::ranges::any_of(inputs, [](const Var& x) { return x.tape() != nullptr; });
  if (!tracked) inputs.push_back(tape->leaf({}));
  auto back = [tape, plain, count = inputs.size(), body = std::move(body)](std::span<const Var> dys) {
    check(!tape->recording(), "a checkpoint can be differentiated once");
    Tape own("checkpoint");
    Grads grads(count);
    std::vector<Var> leaves;
    for (std::size_t i = 0; i < plain.size(); ++i)
      leaves.push_back(own.leaf(plain[i].value(), [&grads, i](const Var& g) { grads[i] = g; }));
    std::vector<Var> ys = body(&own, leaves);
    own.backward(ys, dys);
    return grads;
  };
  // a body may hold collectives, so the node pulls back even a zero
  return op_many("checkpoint", results, inputs, back, Rule::collective);
}

}  // namespace lact
