// Scalar formulas, written once for every backend. f64 takes the C library's functions and judges f32, which takes
// branch-free polynomials so that a loop over them becomes vector code. NaN goes in and comes out.
#pragma once
#include <math.h>

#include <cstdint>

#include "kernels/formula.hpp"

#ifdef __CUDACC__
#define LACT_BOTH __host__ __device__ inline
#else
#define LACT_BOTH \
  inline __attribute__((always_inline))  // no function body may survive in an object of one instruction set
#endif

namespace lact::kernels::scalar {

LACT_BOTH double exp(double x) { return ::exp(x); }
LACT_BOTH double log(double x) { return ::log(x); }
LACT_BOTH double log1p(double x) { return ::log1p(x); }
LACT_BOTH double tanh(double x) { return ::tanh(x); }
LACT_BOTH double erf(double x) { return ::erf(x); }
#ifdef __CUDA_ARCH__
LACT_BOTH double sqrt(double x) { return ::sqrt(x); }
LACT_BOTH float sqrt(float x) { return ::sqrtf(x); }
LACT_BOTH double rint(double x) { return ::rint(x); }
#else
LACT_BOTH double sqrt(double x) { return __builtin_sqrt(x); }
LACT_BOTH float sqrt(float x) { return __builtin_sqrtf(x); }
LACT_BOTH double rint(double x) { return __builtin_rint(x); }
#endif

// Cephes expf: x = n ln 2 + r in two parts, polynomial in r, n into the exponent bits. Below 2^-125 the result is 0.
LACT_BOTH float exp(float x) {
  const float in = x < -86.6f ? -86.6f : (x > 89.f ? 89.f : x);
  const float magic = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits
  const float shifted = in * 1.44269504f + magic;
  const float n = shifted - magic;
  const float r = (in - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.f;
  const auto half = (__builtin_bit_cast(std::uint32_t, shifted) - 0x4b400000u + 126u) << 23;  // 2^(n - 1)
  const float y = (p * __builtin_bit_cast(float, half)) * 2.f;
  return x < -86.6f ? 0.f : y;
}

// Cephes logf on [sqrt 1/2, sqrt 2); x is positive, finite and normal. `e` is added to the exponent.
LACT_BOTH float log_normal(float x, float e) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  float m = __builtin_bit_cast(float, (bits & 0x7fffffu) | 0x3f000000u);
  e += float(std::int32_t(bits >> 23) - 126);
  const bool low = m < 0.707106781f;
  e = low ? e - 1.f : e;
  m = low ? m + m - 1.f : m - 1.f;
  const float z = m * m;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  p = p * m * z + e * -2.12194440e-4f - 0.5f * z;
  return (m + p) + e * 0.693359375f;
}
LACT_BOTH float log(float x) {
  const bool tiny = x < 1.17549435e-38f;
  const float y = log_normal(tiny ? x * 8388608.f : x, tiny ? -23.f : 0.f);
  const float edge = x < 0.f ? __builtin_nanf("") : -__builtin_inff();
  return x > 0.f && x <= 3.40282347e38f ? y : (x <= 0.f ? edge : x);  // the last x is infinity or NaN
}

LACT_BOTH float log1p(float x) {  // x in [0, 1]; the second term is what 1 + x lost
  const float u = 1.f + x;
  return log_normal(u, 0.f) + (x - (u - 1.f)) / u;
}

// Rational approximation on [-7.9, 7.9] as in Eigen (MathFunctionsImpl.h, ptanh_float).
LACT_BOTH float tanh(float x) {
  const float c =
      x < -7.90531110763549805f ? -7.90531110763549805f : (x > 7.90531110763549805f ? 7.90531110763549805f : x);
  const float z = c * c;
  float p = -2.76076847742355e-16f;
  p = p * z + 2.00018790482477e-13f;
  p = p * z - 8.60467152213735e-11f;
  p = p * z + 5.12229709037114e-08f;
  p = p * z + 1.48572235717979e-05f;
  p = p * z + 6.37261928875436e-04f;
  p = p * z + 4.89352455891786e-03f;
  float q = 1.19825839466702e-06f;
  q = q * z + 1.18534705686654e-04f;
  q = q * z + 2.26843463243900e-03f;
  q = q * z + 4.89352518554385e-03f;
  return c * p / q;
}

// Rational approximation on [-4, 4] as in XLA (math.cc, ErfImpl32) and Eigen.
LACT_BOTH float erf(float x) {
  const float c = x < -4.f ? -4.f : (x > 4.f ? 4.f : x);
  const float z = c * c;
  float p = -2.72614225801306e-10f;
  p = p * z + 2.77068142495902e-08f;
  p = p * z - 2.10102402082508e-06f;
  p = p * z - 5.69250639462346e-05f;
  p = p * z - 7.34990630326855e-04f;
  p = p * z - 2.95459980854025e-03f;
  p = p * z - 1.60960333262415e-02f;
  float q = -1.45660718464996e-05f;
  q = q * z - 2.13374055278905e-04f;
  q = q * z - 1.68282697438203e-03f;
  q = q * z - 7.37332916720468e-03f;
  q = q * z - 1.42647390514189e-02f;
  return c * p / q;
}

template <class T>
LACT_BOTH T sigmoid(T x) {
  return T(1) / (T(1) + exp(-x));
}
template <class T>
LACT_BOTH T silu(T x) {
  return x * sigmoid(x);
}
template <class T>
LACT_BOTH T silu_slope(T x) {  // first derivative
  const T s = sigmoid(x);
  return s * (T(1) + x * (T(1) - s));
}
template <class T>
LACT_BOTH T softplus(T x) {
  return (x > T(0) ? x : T(0)) + log1p(exp(x > T(0) ? -x : x));
}
template <class T>
LACT_BOTH T normal_below(T x) {  // Phi
  return T(0.5) * (T(1) + erf(x * T(0.70710678118654752440)));
}
template <class T>
LACT_BOTH T gelu(T x) {
  return x * normal_below(x);
}
template <class T>
LACT_BOTH T gelu_slope(T x) {
  return normal_below(x) + x * T(0.39894228040143267794) * exp(T(-0.5) * x * x);
}

// The tanh form of gelu: x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), its first derivative and its
// second.
template <class T>
LACT_BOTH T tanh_of_gelu(T x) {
  return tanh(T(0.79788456080286535588) * x * (T(1) + T(0.044715) * x * x));
}
template <class T>
LACT_BOTH T gelu_tanh(T x) {
  return T(0.5) * x * (T(1) + tanh_of_gelu(x));
}
template <class T>
LACT_BOTH T gelu_tanh_slope(T x) {
  const T t = tanh_of_gelu(x), du = T(0.79788456080286535588) * (T(1) + T(3 * 0.044715) * x * x);
  return T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * du;
}
template <class T>
LACT_BOTH T gelu_tanh_bend(T x) {
  const T t = tanh_of_gelu(x), du = T(0.79788456080286535588) * (T(1) + T(3 * 0.044715) * x * x);
  const T ddu = T(0.79788456080286535588 * 6 * 0.044715) * x;
  return (T(1) - t * t) * (du + T(0.5) * x * (ddu - T(2) * t * du * du));
}

// A gated unit with its two slopes times dm, and the adjoint of the three: rated_gates and rated_gates_grad in
// gates.hpp.
template <class T>
struct Gates {
  T m, dg, dh;
};
template <class T>
LACT_BOTH Gates<T> gates(T g, T h, T dm) {
  const T s = sigmoid(g), slope = s * (T(1) + g * (T(1) - s));
  return {g * s * h, dm * h * slope, dm * (g * s)};
}
template <class T>
struct GatesBar {
  T g, h, dm;
};
template <class T>
LACT_BOTH GatesBar<T> gates_bar(T g, T h, T dm, T a, T b, T c) {
  const T s = sigmoid(g), slope = s * (T(1) + g * (T(1) - s)), value = g * s;
  const T bend = s * (T(1) - s) * (T(2) + g * (T(1) - T(2) * s));
  return {a * h * slope + b * dm * h * bend + c * dm * slope, a * value + b * dm * slope, b * h * slope + c * value};
}

template <class T>
LACT_BOTH T inverse_or_zero(T x) {
  return x == T(0) ? T(0) : T(1) / x;
}

template <Unary f, class T>
LACT_BOTH T unary(T v, T c) {
  if constexpr (f == Unary::copy)
    return v;
  else if constexpr (f == Unary::scale)
    return c * v;
  else if constexpr (f == Unary::shift)
    return v + c;
  else if constexpr (f == Unary::square)
    return v * v;
  else if constexpr (f == Unary::sqrt)
    return sqrt(v);
  else if constexpr (f == Unary::inverse)
    return inverse_or_zero(v);
  else if constexpr (f == Unary::exp)
    return exp(v);
  else if constexpr (f == Unary::log)
    return log(v);
  else if constexpr (f == Unary::tanh)
    return tanh(v);
  else if constexpr (f == Unary::erf)
    return erf(v);
  else if constexpr (f == Unary::sigmoid)
    return sigmoid(v);
  else if constexpr (f == Unary::silu)
    return silu(v);
  else if constexpr (f == Unary::softplus)
    return softplus(v);
  else if constexpr (f == Unary::gelu)
    return gelu(v);
  else if constexpr (f == Unary::gelu_tanh)
    return gelu_tanh(v);
  else if constexpr (f == Unary::relu)
    return v < T(0) ? T(0) : v;
  else
    static_assert(f == Unary::copy, "a formula of formula.hpp has no branch here");
}

template <Binary f, class T>
LACT_BOTH T binary(T a, T b) {
  if constexpr (f == Binary::add)
    return a + b;
  else if constexpr (f == Binary::subtract)
    return a - b;
  else if constexpr (f == Binary::multiply)
    return a * b;
  else if constexpr (f == Binary::silu_grad)
    return b * silu_slope(a);
  else if constexpr (f == Binary::gelu_grad)
    return b * gelu_slope(a);
  else if constexpr (f == Binary::gelu_tanh_grad)
    return b * gelu_tanh_slope(a);
  else if constexpr (f == Binary::gelu_tanh_bend)
    return b * gelu_tanh_bend(a);
  else if constexpr (f == Binary::relu_grad)
    return a < T(0) ? T(0) : b;
  else
    static_assert(f == Binary::add, "a formula of formula.hpp has no branch here");
}

template <class T>
struct SwigluFirst {
  T dg, dh;
};
template <class T>
LACT_BOTH SwigluFirst<T> swiglu_first(T g, T h, T dm) {
  const T s = sigmoid(g);
  return {dm * h * (s * (T(1) + g * (T(1) - s))), dm * (g * s)};
}

template <class T>
struct AdamWStep {
  T keep, beta1, beta2, gradient_scale;  // keep = 1 - rate decay
  T rate, inverse1, inverse2, eps;       // inverse1 = 1 / (1 - beta1^step)
};
template <class T>
LACT_BOTH void adamw(T& p, T& m, T& v, T g, const AdamWStep<T>& a) {
  const T gradient = a.gradient_scale * g;
  const T m1 = a.beta1 * m + (T(1) - a.beta1) * gradient;
  const T v1 = a.beta2 * v + (T(1) - a.beta2) * gradient * gradient;
  m = m1;
  v = v1;
  p = p * a.keep - a.rate * (m1 * a.inverse1) / (sqrt(v1 * a.inverse2) + a.eps);
}

// ---- conversions --------------------------------------------------------------------------------------------------

struct Bf16 {  // the upper half of a float; rounding as to_bf16 in tensor.hpp
  std::uint16_t bits;
};
LACT_BOTH double widened(double x) { return x; }
LACT_BOTH float widened(float x) { return x; }
LACT_BOTH float widened(Bf16 x) { return __builtin_bit_cast(float, std::uint32_t(x.bits) << 16); }
LACT_BOTH std::int32_t widened(std::int32_t x) { return x; }
LACT_BOTH std::int32_t widened(std::uint8_t x) { return x; }

LACT_BOTH double rounded(double x, double low, double high) {  // NaN becomes low
  const double y = rint(x);
  return y > low ? (y < high ? y : high) : low;
}
template <class S>
LACT_BOTH void put(double& y, S x) {
  y = double(x);
}
template <class S>
LACT_BOTH void put(float& y, S x) {
  y = float(x);
}
template <class S>
LACT_BOTH void put(Bf16& y, S x) {
  const auto u = __builtin_bit_cast(std::uint32_t, float(x));
  const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
  y.bits = std::uint16_t(nan ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
template <class S>
LACT_BOTH void put(std::int32_t& y, S x) {
  y = std::int32_t(rounded(double(x), -2147483648.0, 2147483647.0));
}
template <class S>
LACT_BOTH void put(std::uint8_t& y, S x) {
  y = std::uint8_t(rounded(double(x), 0.0, 255.0));
}

}  // namespace lact::kernels::scalar
