// What every backend wants of the operands of a causal convolution.
#include "kernels/convolution.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels {
namespace {

void check_operands(const Tensor& y, const Tensor& x, const Tensor& w, const char* kernel) {
  check_same(y, x, kernel);
  check_contiguous(y, kernel);
  check(x.dims() == 3 && (x.dim(2) <= 1 || x.strides()[2] == 1),
        "{} takes [samples, tokens, channels] with channels side by side, not {} with strides {}", kernel,
        text_of(x.shape()), text_of(x.strides()));
  check(w.defined() && w.dims() == 2 && w.dim(0) == x.dim(2) && w.dim(1) >= 1, "{}: weights {} for {} channels", kernel,
        w.defined() ? text_of(w.shape()) : "[]", x.dim(2));
  check(w.dtype() == (x.dtype() == DType::bf16 ? DType::f32 : x.dtype()), "{}: {} weights for {} channels", kernel,
        name_of(w.dtype()), name_of(x.dtype()));
  check_contiguous(w, kernel);
}
void check_bias(const Tensor& bias, const Tensor& w, const char* kernel) {
  if (!bias.defined()) return;
  check(bias.dtype() == w.dtype() && bias.count() == w.dim(0), "{}: a {} bias {} for {} channels", kernel,
        name_of(bias.dtype()), text_of(bias.shape()), w.dim(0));
  check_contiguous(bias, kernel);
}

const Check<causal_convolution> of_convolution = [](const Tensor& y, const Tensor& x, const Tensor& w,
                                                    const Tensor& bias) {
  check_operands(y, x, w, "causal_convolution");
  check_bias(bias, w, "causal_convolution");
};

const Check<causal_convolution_grad> of_convolution_grad = [](const CausalConvolutionGrad& t) {
  check_operands(t.dy, t.x, t.w, "causal_convolution_grad");
  check_flat({&t.dy, &t.dx}, "causal_convolution_grad");
  check_flat({&t.w, &t.dw}, "causal_convolution_grad");
  check_bias(t.dbias, t.w, "causal_convolution_grad");
};

}  // namespace
}  // namespace lact::kernels
