// Every op, by family. All are differentiable any number of times. Values may be strided views; results of arithmetic
// are contiguous. Shapes that broadcast follow the usual rule: missing leading dims and dims of size 1 repeat.
#pragma once
#include <optional>

#include "autograd/tape.hpp"
#include "kernels/attention.hpp"
#include "kernels/tokens.hpp"

namespace lact {

// -- element-wise; values of different types are refused, except where an op says what becomes of them
Var add(const Var& a, const Var& b);
Var sub(const Var& a, const Var& b);
Var mul(const Var& a, const Var& b);  // bf16 activations may be weighed by f32 rates, which gives bf16
Var scale(const Var& x, double c);
Var shift(const Var& x, double c);  // x + c
Var square(const Var& x);
Var sqrt(const Var& x);
Var inverse(const Var& x);  // 1 / x; 0 where x is 0
Var exp(const Var& x);
Var ln(const Var& x);
Var tanh(const Var& x);
Var erf(const Var& x);
Var sigmoid(const Var& x);
Var silu(const Var& x);
Var silu_grad(const Var& x, const Var& dy);
Var softplus(const Var& x);
Var gelu(const Var& x);  // exact, with erf
Var gelu_grad(const Var& x, const Var& dy);
Var gelu_tanh(const Var& x);  // the form with tanh
Var gelu_tanh_grad(const Var& x, const Var& dy);
Var relu(const Var& x);  // max(x, 0)
Var relu_grad(const Var& x, const Var& dy);
Var swiglu(const Var& g, const Var& h);                                   // silu(g) h
std::vector<Var> swiglu_grad(const Var& g, const Var& h, const Var& dm);  // {dg, dh}
// {silu(g) h rate1, dm h silu'(g) rate0, dm silu(g) rate2}: rates [..., 1] of rows [..., n]
std::vector<Var> rated_gates(const Var& g, const Var& h, const Var& dm, const Var& rate0, const Var& rate1,
                             const Var& rate2);
Var cast(const Var& x, DType t);
Var widened(const Var& x);  // bf16 to f32, others as they are
Var detach(const Var& x);   // the value, as a constant

// -- shape
Var view(const Var& x, Shape s);  // copies if x is not contiguous
Var permute(const Var& x, const std::vector<int>& order);
Var transpose(const Var& x);  // the last two dims
Var cut(const Var& x, int dim, Range r);
Var pad(const Var& x, int dim, Range r, std::int64_t size);  // the adjoint of cut: zeros of `size` with x at r
Var join(const std::vector<Var>& xs, int dim);
// The adjoint of join: views of x, of these sizes along a dim. Many pieces pull back in one pass over x.
std::vector<Var> pieces(const Var& x, int dim, std::span<const std::int64_t> sizes);
Var reversed(const Var& x);  // the rows of dim 1 from the last to the first
Var expand(const Var& x, const Shape& s);
Var sum_to(const Var& x, const Shape& s);           // the adjoint of expand
Var sum_to(const Var& x, const Shape& s, DType t);  // bf16 may be summed to f32
Var sum(const Var& x);                              // [1]
Var mean(const Var& x);                             // [1]
// x [b, t, parts * heads * d] -> parts times [b, heads, t, d] (views). Channel order (part, head, channel).
std::vector<Var> split_heads(const Var& x, int parts, std::int64_t heads);
Var join_heads(const std::vector<Var>& xs);  // its adjoint
// Rows of dim 1 taken in the order of `ranges`; ranges may overlap. Differentiable. [b, t, ...] -> [b, sum of sizes,
// ...]
Var gather_rows(const Var& x, std::span<const Range> ranges);

// -- products: op(a) op(b), equal leading dims
enum class Orient : std::uint8_t { nn, nt, tn };
// Two bf16 operands give f32, the type of the sums; bf16 activations times f32 weights are rounded, and give bf16.
// Gradients have the type of what they belong to. `result` overrides the type.
Var matmul(const Var& a, const Var& b, Orient o = Orient::nn, std::optional<DType> result = {});
// alpha op(a) op(b) + beta c
Var matmul_add(const Var& c, double beta, const Var& a, const Var& b, double alpha, Orient o = Orient::nn);
// a x + (b A + c A^2) x for the Gram matrix A = x x^T of every [m, n], m <= n; where m > n on the other side:
// a x + x (b A + c A^2), A = x^T x. One step of Newton-Schulz.
Var gram_polynomial(const Var& x, double a, double b, double c);
Var linear(const Var& x, const Var& w, const Var& bias = {});  // x [..., in], w [out, in], bias [out]

// -- small networks: activations times weights, each rounded to bf16 once if any of them is
Var glu_network(const Var& x, const Var& w0, const Var& w1, const Var& w2);  // (silu(x w0) * (x w2)) w1
// Gradients of <glu_network(k), v> by w0, w1, w2, each token times its rates [B, t, 1]; sums over tokens are never bf16
std::vector<Var> rated_glu_grad(const Var& k, const Var& v, const Var& w0, const Var& w1, const Var& w2,
                                const Var& rate0, const Var& rate1, const Var& rate2);
Var gelu_network(const Var& x, const Var& w_in, const Var& w_out);  // linear, gelu, linear: w [out, in]

// -- norms over the last dim; w [d] or empty
Var rms_norm(const Var& x, const Var& w, double eps);
Var layer_norm(const Var& x, const Var& w, double eps);
// {x + y, layer_norm(x + y)}; without y {x, layer_norm(x)}: the gradients of both go through one kernel.
std::vector<Var> add_layer_norm(const Var& x, const Var& y, const Var& w, double eps);
Var l2_norm(const Var& x, double eps);  // x / (|x| + eps)
// The gradient by z of |layer_norm(z) w + b - target|^2 / 2, row by row: z, target [B, t, n], w, b [B, 1, n].
Var reconstruction_grad(const Var& z, const Var& target, const Var& w, const Var& b, double eps);
// split_heads as [b * heads, t, d], then silu, then l2_norm for the first `normed` parts. `rows`: how many rows to keep
// of each part, from the first on; all of them where it is empty.
std::vector<Var> silu_heads(const Var& x, int parts, std::int64_t heads, int normed, double eps,
                            const std::vector<std::int64_t>& rows = {});
// -- norms over dim 1 of [B, m, n]
Var column_norm(const Var& w);                                      // [B, 1, n]
Var keep_column_norm(const Var& w, const Var& target, double eps);  // w / (|w| + eps) target

// -- tokens
using kernels::Rope;
// Rows of table [n, d] by their numbers, i32 [rows] -> [rows, d]; zeros where a number is negative.
Var embedding(const Var& table, const Tensor& index);
Var embedding_grad(const Var& dy, const Tensor& index, std::int64_t n);  // its adjoint, [rows, d] -> [n, d]
// x [b, h, t, d], each pair of channels turned by the angle of its position, i32 [t].
Var rope(const Var& x, const Tensor& positions, const Rope& rope);

// -- along the tokens of x [b, t, c]
// y[t, c] = bias[c] + sum over j < k of w[c, j] x[t - (k - 1) + j, c], zeros before the start; w [c, k], bias [c] or
// empty.
Var causal_convolution(const Var& x, const Var& w, const Var& bias);
// y[i] = decay[i] y[i - 1] + x[i] along dim 1 of [b, n, m], or from the end y[i] = decay[i + 1] y[i + 1] + x[i];
// decay [b, n, r] belongs to m / r neighbours each, empty: 1
Var linear_scan(const Var& x, const Var& decay, bool backwards);
// [b, n, n]: sum over c of q[t, c] k[s, c] exp(sum over s < r <= t of g[r, c]) for s <= t, 0 above; q, k, g [b, n, d]
Var decayed_scores(const Var& q, const Var& k, const Var& g);
Var lower_triangle(const Var& x, std::int64_t diagonal);  // [b, m, n], kept where column <= row + diagonal
Var unit_lower_inverse(const Var& x);                     // (I + what [b, n, n] has below the diagonal)^-1
// {y [b, t, d], the last state [b, d, n]} of h[t] = exp(delta[t] a) h[t - 1] + delta[t] u[t] b[t], y[t] = <c[t], h[t]>;
// u, delta [b, t, d], a [d, n], b, c [b, t, n], first [b, d, n] or empty
std::vector<Var> selective_scan(const Var& u, const Var& delta, const Var& a, const Var& b, const Var& c,
                                const Var& first);

// -- attention and losses
using kernels::Mask;
Var softmax(const Var& x, double scale = 1, Mask mask = {});
Var attention(const Var& q, const Var& k, const Var& v, double scale, Mask mask = {});  // [b, h, t, d]
// qkv [b, t, 3 * heads * d] -> [b, t, heads * d]: split_heads, rms_norm of queries and keys where there are weights
// [d], attention, join_heads.
Var self_attention(const Var& qkv, std::int64_t heads, const Var& q_weight, const Var& k_weight, double eps,
                   double scale, Mask mask = {});
Var log_sum_exp(const Var& x);                // [rows, n] -> [rows]
Var pick(const Var& x, const Tensor& index);  // [rows, n], i32 [rows] -> [rows]; 0 where the index is negative
Var place(const Var& dy, const Tensor& index, std::int64_t n);

}  // namespace lact
