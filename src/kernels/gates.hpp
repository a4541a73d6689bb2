// The gate of a GLU network, silu(g) h, with its derivatives. f32 and f64, on a GPU bf16. With s = sigmoid(g):
//   silu(g) = g s;  silu'(g) = s (1 + g (1 - s));  silu''(g) = s (1 - s) (2 + g (1 - 2 s))
// All tensors of numbers are contiguous and of one shape.
#pragma once
#include "kernels/kernel.hpp"

namespace lact::kernels {

// m = silu(g) h
inline constinit Kernel<void(Tensor m, const Tensor& g, const Tensor& h)> swiglu{"swiglu"};

// dg = dm h silu'(g), dh = dm silu(g). Each result may stand where an operand stood.
inline constinit Kernel<void(Tensor dg, Tensor dh, const Tensor& g, const Tensor& h, const Tensor& dm)> swiglu_grad{
    "swiglu_grad"};

// A learned rate for each row of [..., n]: contiguous, f32 for rows of bf16. Rate 0 belongs to dg (and w0), rate 1 to m
// (and w1), rate 2 to dh (and w2).
struct Rates {
  const Tensor &rate0, &rate1, &rate2;
};

// What an inner gradient multiplies with keys and values, rows [..., n], each times its rate:
//   m = silu(g) h rate1;  dg = dm h silu'(g) rate0;  dh = dm silu(g) rate2
struct RatedGates {
  const Tensor &m, &dg, &dh;
  const Tensor &g, &h, &dm;
  Rates rates;
  auto tensors() const { return std::array{&m, &dg, &dh, &g, &h, &dm, &rates.rate0, &rates.rate1, &rates.rate2}; }
};
inline constinit Kernel<void(const RatedGates& t)> rated_gates{"rated_gates"};

// Its adjoint. X_bar is the cotangent of X; those of m, dg and dh come in, those of g, h, dm and the rates go out. With
// a = m_bar rate1, b = dg_bar rate0, c = dh_bar rate2:
//   g_bar  = a h silu'(g) + b dm h silu''(g) + c dm silu'(g)
//   h_bar  = a silu(g) + b dm silu'(g)
//   dm_bar = b h silu'(g) + c silu(g)
// and the sums along rows rate0_bar = sum dg_bar dm h silu'(g), rate1_bar = sum m_bar silu(g) h,
// rate2_bar = sum dh_bar dm silu(g).
struct RatedGatesGrad {
  const Tensor &g_bar, &h_bar, &dm_bar;
  Rates rate_bars;
  const Tensor &g, &h, &dm;
  Rates rates;
  const Tensor &m_bar, &dg_bar, &dh_bar;
  auto tensors() const {
    return std::array{&g_bar, &h_bar,  &dm_bar, &rate_bars.rate0, &rate_bars.rate1, &rate_bars.rate2,
                      &g,     &h,      &dm,     &rates.rate0,     &rates.rate1,     &rates.rate2,
                      &m_bar, &dg_bar, &dh_bar};
  }
};
inline constinit Kernel<void(const RatedGatesGrad& t)> rated_gates_grad{"rated_gates_grad"};

}  // namespace lact::kernels
