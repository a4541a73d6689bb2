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
  sigmoid,    // 1 / (1 + e^-x)
  silu,       // x sigmoid(x)
  softplus,   // log(1 + e^x), no overflow
  gelu,       // x (1 + erf(x / sqrt 2)) / 2
  gelu_tanh,  // x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
  relu,       // max(x, 0)
};

enum class Binary : std::uint8_t {
  add,
  subtract,
  multiply,
  silu_grad,       // a = x, b = dy: dy s (1 + x (1 - s)), s = sigmoid(x)
  gelu_grad,       // a = x, b = dy: dy (Phi(x) + x phi(x))
  gelu_tanh_grad,  // a = x, b = dy: dy times the first derivative of gelu_tanh
  gelu_tanh_bend,  // a = x, b = dy: dy times the second
  relu_grad,       // a = x, b = dy: dy, and 0 where x < 0
};

inline const char* name_of(Unary f) {
  constexpr const char* names[]{"copy", "scale", "shift",   "square", "sqrt",     "inverse", "exp",       "log",
                                "tanh", "erf",   "sigmoid", "silu",   "softplus", "gelu",    "gelu_tanh", "relu"};
  return names[std::size_t(f)];
}
inline const char* name_of(Binary f) {
  constexpr const char* names[]{"add",       "subtract",       "multiply",       "silu_grad",
                                "gelu_grad", "gelu_tanh_grad", "gelu_tanh_bend", "relu_grad"};
  return names[std::size_t(f)];
}

}  // namespace lact::kernels
