// Random weights and tokens of fast-weight networks, for tests.
#pragma once
#include "layers/fast_weights/network.hpp"
#include "support/gradcheck.hpp"

namespace lact {

inline constexpr std::int64_t items = 2, length = 9, width = 4, hidden = 5;

struct FastWeightInputs {
  Tensor w0, w1, w2, q, k, v, rate0, rate1, rate2, momentum;
  static FastWeightInputs random(DType t = DType::f64) {
    auto r = [t](const char* name, Shape s, double size = 1) { return random_tensor(s, name, t, size); };
    auto positive = [t](const char* name) {
      auto x = random_tensor({items, length, 1}, name).to_doubles();
      for (double& e : x) e = double(float(0.1 + 0.1 * std::abs(e)));
      return Tensor::of(tested(), {items, length, 1}, std::span<const double>(x), t);
    };
    return {r("w0", {items, width, hidden}),
            r("w1", {items, hidden, width}),
            r("w2", {items, width, hidden}),
            r("q", {items, length, width}),
            r("k", {items, length, width}),
            r("v", {items, length, width}),
            positive("r0"),
            positive("r1"),
            positive("r2"),
            positive("m")};
  }
  Tensors all() const { return {w0, w1, w2, q, k, v, rate0, rate1, rate2, momentum}; }
};

inline Tensors weights(const FastWeights& w) { return {w.w0.value(), w.w1.value(), w.w2.value()}; }
inline Tensor rows(const Tensor& x, std::int64_t begin, std::int64_t end) { return x.cut(1, {begin, end}); }

}  // namespace lact
