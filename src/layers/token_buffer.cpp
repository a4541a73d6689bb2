#include "layers/token_buffer.hpp"

#include "base/check.hpp"
#include "kernels/pointwise.hpp"

namespace lact {

TokenBuffer::TokenBuffer(const TokenBuffer& o) {
  if (!o.numbers_.defined()) return;
  numbers_ = like(o.numbers_);
  copy_bytes(numbers_, o.numbers_);
}

void TokenBuffer::make_room(std::int64_t tokens, const Tensor& x, std::int64_t kept) {
  if (room() >= tokens) return;
  Shape shape = x.shape();
  shape[shape.size() - 2] = tokens;
  const Tensor old = std::exchange(numbers_, Tensor::zeros(x.device(), shape, x.dtype()));
  if (kept > 0) write(0, old.cut(old.dims() - 2, {0, kept}));
}

void TokenBuffer::write(std::int64_t at, const Tensor& x) {
  kernels::unary(kernels::Unary::copy, part({at, at + x.dim(-2)}), x);
}

Tensor TokenBuffer::part(Range tokens) const {
  check(numbers_.defined(), "no token is kept yet");
  return numbers_.cut(numbers_.dims() - 2, tokens);
}

}  // namespace lact
