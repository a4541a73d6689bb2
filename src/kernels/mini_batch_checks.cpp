// What every backend wants of the tensors of kernels/mini_batch.hpp.
#include "kernels/layout.hpp"
#include "kernels/mini_batch.hpp"

namespace lact::kernels {
namespace {

void check_reconstruction(const Tensor& y, std::initializer_list<const Tensor*> rows, const Tensor& w, const Tensor& b,
                          const char* kernel) {
  check(y.dims() == 3, "{} takes rows [B, t, n], not {}", kernel, text_of(y.shape()));
  for (const Tensor* x : rows) {
    check_same(y, *x, kernel);
    check(x->dim(-1) <= 1 || x->strides().back() == 1, "{}: the rows of a view must be contiguous", kernel);
  }
  for (const Tensor* x : {&w, &b}) {
    check(x->defined() && x->shape() == Shape{y.dim(0), 1, y.dim(2)} && x->dtype() == y.dtype(),
          "{}: {} weights of shape {} for rows of {}", kernel, name_of(x->dtype()), text_of(x->shape()),
          text_of(y.shape()));
    check_contiguous(*x, kernel);
  }
}

const Check<reconstruction_grad> of_reconstruction_grad = [](const ReconstructionGrad& t) {
  check_reconstruction(t.dz, {&t.dz, &t.z, &t.target}, t.w, t.b, "reconstruction_grad");
};

const Check<reconstruction_grad_grad> of_reconstruction_grad_grad = [](const ReconstructionGradGrad& t) {
  check_reconstruction(t.z_bar, {&t.z_bar, &t.target_bar, &t.w_rows, &t.dz_bar, &t.z, &t.target}, t.w, t.b,
                       "reconstruction_grad_grad");
};

}  // namespace
}  // namespace lact::kernels
