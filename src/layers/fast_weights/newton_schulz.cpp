#include "layers/fast_weights/newton_schulz.hpp"

namespace lact {

NewtonSchulz NewtonSchulz::view_synthesis(std::int64_t steps) {
  return {.steps = std::vector<Step>(std::size_t(steps), Step{3.4445, -4.7750, 2.0315})};
}

NewtonSchulz NewtonSchulz::language() {
  return {.steps = {{4.0848, -6.8946, 2.9270},
                    {3.9505, -6.3029, 2.6377},
                    {3.7418, -5.5913, 2.3037},
                    {2.8769, -3.1427, 1.2046},
                    {2.8366, -3.0525, 1.2012}}};
}

Var NewtonSchulz::operator()(const Var& x) const {
  std::int64_t batch = x.dim(0), m = x.dim(1), n = x.dim(2);
  Var y = view(l2_norm(view(x, {batch, m * n}), 1e-7), {batch, m, n});
  const DType type = low ? DType::bf16 : x.value().dtype();
  y = cast(y, type);
  for (const auto& [a, b, c] : steps) y = gram_polynomial(y, a, b, c);
  return cast(y, x.value().dtype());
}

}  // namespace lact
