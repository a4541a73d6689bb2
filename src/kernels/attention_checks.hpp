// What every backend wants of the tensors of kernels/attention.hpp and kernels/softmax.hpp.
#pragma once
#include "kernels/attention.hpp"

namespace lact::kernels {

struct AttentionSizes {
  std::int64_t batch, heads, queries, keys, d, dv;
};
AttentionSizes attention_sizes(const Tensor& o, const Tensor& lse, const Tensor& q, const Tensor& k, const Tensor& v);
AttentionSizes attention_grad_sizes(const AttentionGrad& t);
void check_softmax(const Tensor& y, const Tensor& x, const Mask& mask);
void check_log_sum_exp(const Tensor& y, const Tensor& x);
// One number y and one index for each row of x; not whether the indices lie in their rows.
void check_picks(const Tensor& y, const Tensor& x, const Tensor& index, const char* kernel);
void check_has_index(const Tensor& y, const Tensor& index);

}  // namespace lact::kernels
