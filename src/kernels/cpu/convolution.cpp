// Causal convolution: rows of channels are multiplied and added whole.
#include "kernels/convolution.hpp"

#include "kernels/cpu/partials.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {
namespace {

constexpr std::int64_t enough = 8192;  // numbers worth a thread

template <class T>
std::vector<T> taps_of(const Tensor& w) {  // [k, c]: the weights of one tap side by side
  const std::int64_t c = w.dim(0), k = w.dim(1);
  std::vector<T> taps(static_cast<std::size_t>(k * c));
  loops<T>().turn(taps.data(), c, w.data<T>(), k, c, k);
  return taps;
}

// The token that tap j of k reads for token t.
constexpr std::int64_t read_by(std::int64_t t, std::int64_t j, std::int64_t k) { return t - (k - 1) + j; }

}  // namespace

const Cpu<kernels::causal_convolution> causal_convolution = [](Tensor y, const Tensor& x, const Tensor& w,
                                                               const Tensor& bias) {
  if (y.count() == 0) return;
  const std::int64_t tokens = x.dim(1), c = x.dim(2), k = w.dim(1);
  for_type(y, "causal_convolution", [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> taps = taps_of<T>(w);
    const Rows<T> from(x, "causal_convolution's input");
    split(x.dim(0) * tokens, rows_worth(enough, k * c), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        T* to = y.data<T>() + row * c;
        if (bias.defined())
          std::copy_n(bias.data<T>(), c, to);
        else
          std::fill_n(to, c, T(0));
        const std::int64_t t = row % tokens;
        for (std::int64_t j = std::max<std::int64_t>(0, k - 1 - t); j < k; ++j)
          loops<T>().add_product(to, taps.data() + j * c, from[row - t + read_by(t, j, k)], c);
      }
    });
  });
};

const Cpu<kernels::causal_convolution_grad> causal_convolution_grad = [](const CausalConvolutionGrad& g) {
  const std::int64_t tokens = g.x.dim(1), c = g.x.dim(2), k = g.w.dim(1);
  for_type(g.dx, "causal_convolution_grad", [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> taps = taps_of<T>(g.w);
    const Rows<T> x(g.x, "causal_convolution_grad's input");
    const T* dy = g.dy.data<T>();
    split(x.count(), rows_worth(enough, k * c), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        T* to = g.dx.data<T>() + row * c;
        std::fill_n(to, c, T(0));
        // token t is tap j of the token k - 1 - j later
        for (std::int64_t later = 0; later < std::min(k, tokens - row % tokens); ++later)
          loops<T>().add_product(to, taps.data() + (k - 1 - later) * c, dy + (row + later) * c, c);
      }
    });
    // sums of weights [k, c] and then of the bias [c]
    const std::int64_t blocks = (x.count() + rows_per_block - 1) / rows_per_block;
    Partials<T> partials(g.dx.device(), blocks, (k + 1) * c);
    split(blocks, rows_worth(enough, rows_per_block * k * c), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block)
        for (std::int64_t row = block * rows_per_block; row < std::min(x.count(), (block + 1) * rows_per_block);
             ++row) {
          const std::int64_t t = row % tokens;
          T* sums = partials.row(block);
          for (std::int64_t j = std::max<std::int64_t>(0, k - 1 - t); j < k; ++j)
            loops<T>().add_product(sums + j * c, dy + row * c, x[row - t + read_by(t, j, k)], c);
          loops<T>().add_to(sums + k * c, dy + row * c, c, T(1));
        }
    });
    std::vector<T> sums(static_cast<std::size_t>((k + 1) * c));
    partials.join(sums.data());
    loops<T>().turn(g.dw.data<T>(), k, sums.data(), c, k, c);
    if (g.dbias.defined()) std::copy_n(sums.data() + k * c, c, g.dbias.data<T>());
  });
};

}  // namespace lact::kernels::cpu
