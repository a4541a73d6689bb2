#include "layers/recurrent/pieces.hpp"

namespace lact {

Var Pieces::cut_up(const Var& x) const {
  const Var filled = pad(x, 1, {0, t}, count() * n);
  const Var apart = view(filled, {b, count(), n, h, x.dim(3)});
  return view(
      permute(apart, order == Order::by_head ? std::vector<int>{0, 3, 1, 2, 4} : std::vector<int>{1, 0, 3, 2, 4}),
      {count() * b * h, n, x.dim(3)});
}

Var Pieces::put_together(const Var& x) const {
  const std::int64_t d = x.dim(2);
  const Var apart = order == Order::by_head ? permute(view(x, {b, h, count(), n, d}), {0, 2, 3, 1, 4})
                                            : permute(view(x, {count(), b, h, n, d}), {1, 0, 3, 2, 4});
  return cut(view(apart, {b, count() * n, h, d}), 1, {0, t});
}

Var zero_state(const Var& k, const Var& v) {
  return Tensor::zeros(k.value().device(), {k.dim(0), k.dim(2), k.dim(3), v.dim(3)}, k.value().dtype());
}

}  // namespace lact
