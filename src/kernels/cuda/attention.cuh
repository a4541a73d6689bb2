// What the attention kernels are given.
#pragma once
#include "kernels/cuda/launch.cuh"
#include "kernels/mask.hpp"

namespace lact::kernels::cuda {

struct HeadSteps {  // elements between items of the batch, heads and rows
  std::int64_t item, head, row;
  explicit HeadSteps(const Tensor& t) : item(t.strides()[0]), head(t.strides()[1]), row(t.strides()[2]) {}
  LACT_BOTH std::int64_t of(std::int64_t i, std::int64_t heads) const { return i / heads * item + i % heads * head; }
};

template <class T>
struct Heads {
  const T *q, *k, *v;
  HeadSteps q_step, k_step, v_step;
  std::int64_t heads, queries, keys;
  int d, dv;
  Computed<T> scale;
  Mask mask;
  // The keys that any of `n` queries from the first on sees.
  LACT_BOTH Range seen_by(std::int64_t first, std::int64_t n) const {
    const std::int64_t last = first + n < queries ? first + n - 1 : queries - 1;
    return {visible(mask, first, keys).begin, visible(mask, last, keys).end};
  }
};

template <class T>
struct Gradients {
  const T* dout;
  const Computed<T>*lse, *delta;
  T *dq, *dk, *dv;
  HeadSteps dout_step, dq_step, dk_step, dv_step;
};

// Return false, having done nothing, where the head width is not 64 or the strides do not allow 16-byte loads.
bool attention_on_tensor_cores(const Heads<Bf16>& h, const Tensor& o, const Tensor& lse);
bool attention_grad_on_tensor_cores(const Heads<Bf16>& h, const Gradients<Bf16>& g, const Tensor& dq);

}  // namespace lact::kernels::cuda
