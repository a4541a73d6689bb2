// The CPU table entries; contracts stand in the headers of kernels/.
#pragma once
#include "kernels/table.hpp"

namespace lact::kernels::cpu {

void copy(const Tensor& y, const Tensor& x);  // unary(Unary::copy, ...)

void unary(Unary f, Tensor y, const Tensor& x, double c);
void binary(Binary f, Tensor y, const Tensor& a, const Tensor& b);
void add_to(Tensor y, const Tensor& x, double c);
void fill(Tensor y, double value);
void swiglu(Tensor m, const Tensor& g, const Tensor& h);
void swiglu_grad(Tensor dg, Tensor dh, const Tensor& g, const Tensor& h, const Tensor& dm);
void swiglu_grad_grad(Tensor g_bar, Tensor h_bar, Tensor dm_bar, const Tensor& g, const Tensor& h, const Tensor& dm,
                      const Tensor& a, const Tensor& b);

void matmul(Tensor y, const Tensor& a, const Tensor& b, double alpha, double beta);

void sum_to(Tensor y, const Tensor& x);
void squared_norm(Tensor y, const Tensor& x);
void rms_norm(Tensor y, Tensor r, const Tensor& x, const Tensor& w, double eps);
void rms_norm_grad(Tensor dx, Tensor dw, const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& r);
void layer_norm(Tensor y, Tensor mean, Tensor r, const Tensor& x, const Tensor& w, double eps);
void layer_norm_grad(Tensor dx, Tensor dw, const Tensor& dy, const Tensor& x, const Tensor& w, const Tensor& mean,
                     const Tensor& r);
void l2_norm(Tensor y, Tensor norm, const Tensor& x, double eps);
void l2_norm_grad(Tensor dx, const Tensor& dy, const Tensor& x, const Tensor& norm, double eps);
void column_norm(Tensor norm, const Tensor& w);
void keep_column_norm(Tensor y, Tensor norm, const Tensor& w, const Tensor& target, double eps);
void keep_column_norm_grad(Tensor dw, Tensor dtarget, const Tensor& dy, const Tensor& w, const Tensor& norm,
                           const Tensor& target, double eps);

void softmax(Tensor y, const Tensor& x, double scale, Mask mask);
void softmax_grad(Tensor dx, const Tensor& dy, const Tensor& y, double scale);
void attention(Tensor o, Tensor lse, const Tensor& q, const Tensor& k, const Tensor& v, double scale, Mask mask);
void attention_grad(Tensor dq, Tensor dk, Tensor dv, const Tensor& dout, const Tensor& q, const Tensor& k,
                    const Tensor& v, const Tensor& o, const Tensor& lse, double scale, Mask mask);
void log_sum_exp(Tensor y, const Tensor& x);
void pick(Tensor y, const Tensor& x, const Tensor& index);
void place(Tensor dx, const Tensor& dy, const Tensor& index);
void has_index(Tensor y, const Tensor& index);

void rays(Tensor y, const Tensor& intrinsics, const Tensor& poses);
void view_tokens(Tensor y, const Tensor& intrinsics, const Tensor& poses, const Tensor& images, std::int64_t h,
                 std::int64_t w, std::int64_t p);

void adamw(Tensor p, Tensor m, Tensor v, const Tensor& g, const AdamW& a);

}  // namespace lact::kernels::cpu
