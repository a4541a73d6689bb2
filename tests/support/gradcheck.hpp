// Derivatives judged by differences of values, in f64.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "autograd/ops.hpp"
#include "ops/pairs.hpp"

namespace lact {

using Tensors = std::vector<Tensor>;
using Function = std::function<std::vector<Var>(std::span<const Var>)>;

// The slope of f at 0 with what halving the step changes, which bounds the error of the difference formula.
struct Slope {
  double value = 0, error = 0;
};
Slope slope_at_zero(const std::function<double(double)>& f);
// Whether a claimed derivative agrees. `size`: the sum of the absolute terms of f, whose rounding is divided by the
// step.
testing::AssertionResult agrees(const Slope& s, double claimed, double size);

std::vector<Var> constants(const Tensors& x);
std::vector<Var> leaves(Tape& tape, const Tensors& x);
Tensors values_of(const std::vector<Var>& x);

// Gradients of <f(x), u>, a zero where a result does not depend on an input. With `differentiable` the definitions of
// fused ops are used, without it their fast pullbacks.
Tensors gradients(const Function& f, const Tensors& x, const Tensors& u, bool differentiable = false);

// d <f(x), u> / dx along a random direction and along every (`every`-th) single number of x.
void expect_gradient(const Function& f, const Tensors& x, const Tensors& u, const std::string& what,
                     std::size_t every = 1);
// The gradient itself differentiated: d <gradient(x, u), w> / d(x, u), asked of the tape, against differences of the
// gradient.
void expect_second_gradient(const Function& f, const Tensors& x, const Tensors& u, const std::string& what,
                            std::size_t every = 1);

// Random numbers that belong to a result: one tensor per result of f at x.
Tensors random_cotangents(const Function& f, const Tensors& x, const std::string& name);
// Random tensors named by their position.
Tensors random_like(const Tensors& x, const std::string& name);

}  // namespace lact
