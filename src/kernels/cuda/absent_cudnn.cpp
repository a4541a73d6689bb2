// Linked instead of cuDNN's part where the build found no cuDNN.
#include "kernels/cuda/cudnn.hpp"
#include "kernels/cudnn.hpp"

namespace lact::kernels {

void use_cudnn(CudnnUse) {}
std::int64_t cudnn_runs() { return 0; }
std::string cudnn_library() { return "built without cuDNN"; }

namespace cuda::cudnn {
bool attention(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, double, Mask) {
  return false;
}
bool attention_grad(const AttentionGrad&) { return false; }
bool swiglu_products(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) {
  return false;
}
bool swiglu_grad_product(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) {
  return false;
}
bool rated_gates_product(const RatedGatesProduct&) { return false; }
bool gelu_product(const Tensor&, const Tensor&, const Tensor&, const Tensor&) { return false; }
bool gelu_grad_product(const Tensor&, const Tensor&, const Tensor&, const Tensor&) { return false; }
}  // namespace cuda::cudnn
}  // namespace lact::kernels
