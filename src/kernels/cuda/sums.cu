// Sums over dims, and the squared norm of a flat tensor.
#include "kernels/sums.hpp"

#include "kernels/cuda/sums.cuh"
#include "kernels/pointwise.hpp"

namespace lact::kernels::cuda {
namespace {

template <class T>
struct NumberOf {  // the i-th number that belongs to an output
  const T* x;
  Places<1> kept, summed;
  __device__ Computed<T> operator()(std::int64_t output, std::int64_t i) const {
    return scalar::widened(x[kept.of(output).at[0] + summed.of(i).at[0]]);
  }
};

constexpr std::int64_t numbers_per_block = 4096;

// One block of 256 threads sums 4,096 squares in double.
template <class T>
__global__ void __launch_bounds__(256) block_squares(double* parts, const T* x, std::int64_t n) {
  const std::int64_t begin = std::int64_t(blockIdx.x) * numbers_per_block;
  const std::int64_t end = begin + numbers_per_block < n ? begin + numbers_per_block : n;
  double total = 0;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += 256) {
    const double v = double(scalar::widened(x[i]));
    total += v * v;
  }
  total = sum<256>(total);
  if (threadIdx.x == 0) parts[blockIdx.x] = total;
}

// A binary tree, level by level: parts 2i and 2i + 1 are added into part i; an odd last part goes up unchanged.
__global__ void __launch_bounds__(1024) join_tree(double* y, double* parts, std::int64_t blocks) {
  for (std::int64_t gap = 1; gap < blocks; gap *= 2) {
    for (std::int64_t i = std::int64_t(threadIdx.x) * 2 * gap; i + gap < blocks; i += 1024 * 2 * gap)
      parts[i] += parts[i + gap];
    __syncthreads();
  }
  if (threadIdx.x == 0) *y = blocks > 0 ? parts[0] : 0;
}

}  // namespace

const Cuda<kernels::sum_to> sum_to = [](Tensor y, const Tensor& x) {
  check(x.defined() && x.dims() == y.dims() &&
            (x.dtype() == y.dtype() || (x.dtype() == DType::bf16 && y.dtype() == DType::f32)),
        "sum_to: {} {} cannot be summed to {} {}", name_of(x.dtype()), text_of(x.shape()), name_of(y.dtype()),
        text_of(y.shape()));
  check_contiguous(y, "sum_to");
  Layout<1> kept, summed;
  for (std::size_t d = 0; d < x.shape().size(); ++d) {
    const bool sums = y.shape()[d] == 1 && x.shape()[d] != 1;
    check(sums || y.shape()[d] == x.shape()[d], "sum_to: shape {} cannot be summed to {}", text_of(x.shape()),
          text_of(y.shape()));
    (sums ? summed : kept).push(x.shape()[d], {x.strides()[d]});
  }
  kept.close();
  summed.close();
  if (y.count() == 0) return;
  if (x.count() == 0) return Cuda<kernels::fill>::as_part(y, 0.0);
  const std::int64_t kept_step = kept.step[0][std::size_t(kept.dims - 1)],
                     summed_step = summed.step[0][std::size_t(summed.dims - 1)];
  const bool by_output = kept.count() >= 16 && kept_step < summed_step;
  const auto along = by_output ? Along::outputs : Along::terms;
  for_stored(x, "sum_to", [&](auto t) {
    using T = decltype(t);
    const NumberOf<T> f{x.data<T>(), kept, summed};
    if (y.dtype() == x.dtype())
      sum_up<Computed<T>>(y, y.data<T>(), along, kept.count(), summed.count(), f);
    else
      sum_up<float>(y, y.data<float>(), along, kept.count(), summed.count(), f);
  });
};

const Cuda<kernels::squared_norm> squared_norm = [](Tensor y, const Tensor& x) {
  check(y.dtype() == DType::f64 && y.count() == 1, "squared_norm writes one f64 number, not {} {}", name_of(y.dtype()),
        text_of(y.shape()));
  check(x.defined(), "squared_norm: the input is undefined");
  check_contiguous(x, "squared_norm");
  const std::int64_t blocks = (x.count() + numbers_per_block - 1) / numbers_per_block;
  const Tensor parts = Tensor::empty(y.device(), {std::max<std::int64_t>(blocks, 1)}, DType::f64);
  for_stored(x, "squared_norm", [&](auto t) {
    using T = decltype(t);
    if (blocks > 0)
      run("squared_norm", block_squares<T>, dim3(unsigned(blocks)), 256, 0, y, parts.data<double>(), x.data<T>(),
          x.count());
  });
  run("squared_norm", join_tree, 1, 1024, 0, y, y.data<double>(), parts.data<double>(), blocks);
};

}  // namespace lact::kernels::cuda
