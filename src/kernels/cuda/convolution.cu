// Causal convolution: a thread per number of the result, neighbours along the channels.
#include "kernels/convolution.hpp"

#include "kernels/cuda/sums.cuh"

namespace lact::kernels::cuda {
namespace {

template <class T>
struct Sequence {  // [b, t, c]
  T* at;
  std::int64_t tokens, channels, sample_step, token_step;
  explicit Sequence(const Tensor& x)
      : at(x.data<T>()),
        tokens(x.dim(1)),
        channels(x.dim(2)),
        sample_step(x.strides()[0]),
        token_step(x.strides()[1]) {}
  __device__ Computed<T> operator()(std::int64_t sample, std::int64_t t, std::int64_t c) const {
    return scalar::widened(at[sample * sample_step + t * token_step + c]);
  }
};

template <class T>
struct ConvolutionOf {
  T* y;
  Sequence<T> x;
  const Computed<T>*w, *bias;
  std::int64_t k;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t c = i % x.channels, row = i / x.channels, t = row % x.tokens, sample = row / x.tokens;
    Computed<T> sum = bias != nullptr ? bias[c] : Computed<T>(0);
    for (std::int64_t j = t < k - 1 ? k - 1 - t : 0; j < k; ++j) sum += w[c * k + j] * x(sample, t - (k - 1) + j, c);
    scalar::put(y[i], sum);
  }
};

template <class T>
struct ConvolutionInputGrad {
  T* dx;
  Sequence<T> dy;
  const Computed<T>* w;
  std::int64_t k;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t c = i % dy.channels, row = i / dy.channels, t = row % dy.tokens, sample = row / dy.tokens;
    Computed<T> sum = 0;
    for (std::int64_t later = 0; later < k && t + later < dy.tokens; ++later)
      sum += w[c * k + k - 1 - later] * dy(sample, t + later, c);
    scalar::put(dx[i], sum);
  }
};

template <class T>
struct ConvolutionWeightGrad {  // what token `row` adds to weight `output` = c k + j
  Sequence<T> dy, x;
  std::int64_t k;
  __device__ Computed<T> operator()(std::int64_t output, std::int64_t row) const {
    const std::int64_t c = output / k, j = output % k, t = row % x.tokens, sample = row / x.tokens;
    const std::int64_t from = t - (k - 1) + j;
    return from < 0 ? Computed<T>(0) : dy(sample, t, c) * x(sample, from, c);
  }
};

template <class T>
struct ConvolutionBiasGrad {
  const T* dy;
  std::int64_t channels;
  __device__ Computed<T> operator()(std::int64_t c, std::int64_t row) const {
    return scalar::widened(dy[row * channels + c]);
  }
};

}  // namespace

const Cuda<kernels::causal_convolution> causal_convolution = [](Tensor y, const Tensor& x, const Tensor& w,
                                                                const Tensor& bias) {
  for_stored(y, "causal_convolution", [&](auto zero) {
    using T = decltype(zero);
    using A = Computed<T>;
    start<1>(y, "causal_convolution", y.count(),
             ConvolutionOf<T>{y.data<T>(), Sequence<T>(x), w.data<A>(), bias.defined() ? bias.data<A>() : nullptr,
                              w.dim(1)});
  });
};

const Cuda<kernels::causal_convolution_grad> causal_convolution_grad = [](const CausalConvolutionGrad& g) {
  for_stored(g.dx, "causal_convolution_grad", [&](auto zero) {
    using T = decltype(zero);
    using A = Computed<T>;
    const std::int64_t k = g.w.dim(1), rows = g.x.dim(0) * g.x.dim(1);
    const Sequence<T> dy(g.dy), x(g.x);
    start<1>(g.dx, "causal_convolution_grad", g.dx.count(),
             ConvolutionInputGrad<T>{g.dx.data<T>(), dy, g.w.data<A>(), k});
    sum_up<A>(g.dw, g.dw.data<A>(), Along::outputs, g.dw.count(), rows, ConvolutionWeightGrad<T>{dy, x, k});
    if (g.dbias.defined())
      sum_up<A>(g.dbias, g.dbias.data<A>(), Along::outputs, g.dbias.count(), rows,
                ConvolutionBiasGrad<T>{g.dy.data<T>(), x.channels});
  });
};

}  // namespace lact::kernels::cuda
