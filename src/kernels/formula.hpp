// Names of the element-wise formulas.
#pragma once
#include <cstddef>
#include <cstdint>

namespace lact::kernels {

enum class Unary : std::uint8_t {
  copy,    // x in y's type (integers rounded, saturating): the one kernel for any strides and any types
  scale,   // c x
  shift,   // x + c
  square,  // x^2
  sqrt,
  inverse,  // 1 / x, and 0 where x is 0
  exp,
  log,
  tanh,
  erf,
  sigmoid,   // 1 / (1 + e^-x)
  silu,      // x sigmoid(x)
  softplus,  // log(1 + e^x), no overflow
  gelu,      // x (1 + erf(x / sqrt 2)) / 2
};

enum class Binary : std::uint8_t {
  add,
  subtract,
  multiply,
  silu_grad,  // a = x, b = dy: dy s (1 + x (1 - s)), s = sigmoid(x)
  gelu_grad,  // a = x, b = dy: dy (Phi(x) + x phi(x))
};

inline const char* name_of(Unary f) {
  constexpr const char* names[]{"copy", "scale", "shift", "square",  "sqrt", "inverse",  "exp",
                                "log",  "tanh",  "erf",   "sigmoid", "silu", "softplus", "gelu"};
  return names[std::size_t(f)];
}
inline const char* name_of(Binary f) {
  constexpr const char* names[]{"add", "subtract", "multiply", "silu_grad", "gelu_grad"};
  return names[std::size_t(f)];
}

}  // namespace lact::kernels
