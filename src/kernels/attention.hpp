// Softmax attention and its parts.
#pragma once
#include "tensor/tensor.hpp"

namespace lact::kernels {

struct Mask {               // which keys j a query i sees, i and j counted from 0
  bool causal = false;      // j <= i
  std::int64_t window = 0;  // with causal: j > i - window; 0 is no limit
};

// y = softmax over the last dim of scale x with masked entries 0; x, y [..., Tq, Tk] contiguous.
void softmax(Tensor y, const Tensor& x, double scale, Mask mask = {});
void softmax_grad(Tensor dx, const Tensor& dy, const Tensor& y, double scale);  // dx = scale y (dy - sum(dy y))

// o = softmax(scale q k^T + mask) v without storing the weights; lse [b, h, Tq] contiguous = log-sum-exp of the scaled
// scores. q, o [b, h, Tq, d], k [b, h, Tk, d], v [b, h, Tk, dv]: any views whose last stride is 1. Tiled, online
// softmax, threads over (b, h, query block), of the gradient over (b, h); f64 is the direct formula and the judge. A
// query that sees no key gets 0.
void attention(Tensor o, Tensor lse, const Tensor& q, const Tensor& k, const Tensor& v, double scale, Mask mask = {});
void attention_grad(Tensor dq, Tensor dk, Tensor dv, const Tensor& dout, const Tensor& q, const Tensor& k,
                    const Tensor& v, const Tensor& o, const Tensor& lse, double scale, Mask mask = {});

// y [rows] = log sum exp of the rows of x [rows, n], contiguous.
void log_sum_exp(Tensor y, const Tensor& x);
// y [rows] = x[row, index[row]], 0 where index is negative; index i32. An index beyond the row is an error, or NaN
// where the index lies on a device that the host does not wait for. place is its adjoint: zeros elsewhere.
void pick(Tensor y, const Tensor& x, const Tensor& index);
void place(Tensor dx, const Tensor& dy, const Tensor& index);
void has_index(Tensor y, const Tensor& index);  // y [rows] = 1, and 0 where index is negative

}  // namespace lact::kernels
