#include "autograd/broadcast.hpp"
#include "autograd/ops.hpp"
#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"

namespace lact {
namespace {

// The polynomial stands on the left of wide matrices and on the right of tall ones.
struct Side {
  bool right;
  Tensor wide(const Tensor& x) const { return right ? x.transpose() : x; }
  // y = beta z + p x
  void times(const Tensor& y, double beta, const Tensor& z, const Tensor& p, const Tensor& x) const {
    kernels::matmul_add(y, z, right ? x : p, right ? p : x, 1, beta);
  }
};

Var by_products(const Var& x, double a, double b, double c, bool right) {
  const Var gram = matmul(x, x, right ? Orient::tn : Orient::nt, x.value().dtype());
  const Var p = matmul_add(gram, b, gram, gram, c);
  return right ? matmul_add(x, a, x, p, 1) : matmul_add(x, a, p, x, 1);
}

}  // namespace

Var gram_polynomial(const Var& x, double a, double b, double c) {
  const Tensor xv = dense(x.value());
  const Side side{xv.dim(1) > xv.dim(2)};
  const Tensor wide = side.wide(xv), y = like(xv);
  const Tensor gram = Tensor::empty(xv.device(), {xv.dim(0), wide.dim(1), wide.dim(1)}, xv.dtype()), p = like(gram);
  kernels::matmul(gram, wide, wide.transpose());
  kernels::matmul_add(p, gram, gram, gram, c, b);
  side.times(y, a, xv, p, xv);
  // With P = b A + c A^2 and cotangent Y: x takes a Y + P^T Y + (B + B^T) x, where B is the cotangent of A. As A is
  // symmetric, B + B^T = R + R^T with R = c S A + b/2 S and S = Y x^T + x Y^T: four products instead of six.
  auto fast = [side, xv, gram, p, a, b, c](const Var& dy) {
    const Tensor d = dense(cast(dy, xv.dtype()).value()), wide_d = side.wide(d), wide_x = side.wide(xv);
    const Tensor one = like(gram), both = like(gram), dx = like(xv);
    side.right ? kernels::matmul(one, wide_x, wide_d.transpose()) : kernels::matmul(one, wide_d, wide_x.transpose());
    kernels::add_transposed(both, one);
    kernels::matmul_add(one, both, both, gram, c, b / 2);
    kernels::add_transposed(both, one);
    side.times(dx, a, d, p.transpose(), d);
    side.times(dx, 1, dx, both, xv);
    return Grads{dx};
  };
  auto slow = [a, b, c, right = side.right](std::span<const Var> in) { return by_products(in[0], a, b, c, right); };
  return fused("gram_polynomial", y, {x}, fast, slow);
}

}  // namespace lact
