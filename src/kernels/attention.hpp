// Softmax attention.
#pragma once
#include "kernels/kernel.hpp"
#include "kernels/mask.hpp"

namespace lact::kernels {

// o = softmax(scale q k^T + mask) v without storing the weights; lse [b, h, Tq] contiguous = log-sum-exp of the scaled
// scores. q [b, h, Tq, d], k [b, h, Tk, d], v [b, h, Tk, dv], o [b, h, Tq, dv]: any views whose last stride is 1. A
// query that sees no key gets 0. On the CPU f32 goes in tiles with an online softmax, threads over (b, h, query block),
// those of the gradient over (b, h); f64 is the direct formula and the judge.
inline constinit Kernel<
    void(Tensor o, Tensor lse, const Tensor& q, const Tensor& k, const Tensor& v, double scale, Mask mask), Mask>
    attention{"attention", Mask{}};

// From the gradient dout of o to those of q, k and v; o and lse as attention left them.
struct AttentionGrad {
  const Tensor &dq, &dk, &dv;
  const Tensor& dout;
  const Tensor &q, &k, &v;
  const Tensor &o, &lse;
  double scale;
  Mask mask = {};
  auto tensors() const { return std::array{&dq, &dk, &dv, &dout, &q, &k, &v, &o, &lse}; }
};
inline constinit Kernel<void(const AttentionGrad& t)> attention_grad{"attention_grad"};

}  // namespace lact::kernels
