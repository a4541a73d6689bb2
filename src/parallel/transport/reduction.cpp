#include "parallel/transport/reduction.hpp"

#include <bit>

#include "base/check.hpp"

namespace lact {
namespace {

constexpr std::int64_t block = 512;  // numbers that stay in the first-level cache while the tree is walked

struct Sum {
  template <class T>
  T operator()(T a, T b) const {
    return a + b;
  }
};
struct Max {  // keeps NaN
  template <class T>
  T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};

template <class T, class F>
struct Tree {
  std::span<const std::byte* const> parts;
  F f;
  const T* leaf(std::size_t part, std::int64_t at) const { return reinterpret_cast<const T*>(parts[part]) + at; }

  // Ranks [low, high) at numbers [at, at + n): a leaf as it lies, anything else in `space`.
  const T* walk(std::size_t low, std::size_t high, std::int64_t at, std::int64_t n, T* space) const {
    if (high - low == 1) return leaf(low, at);
    combine(space, low, high, at, n);
    return space;
  }
  void combine(T* out, std::size_t low, std::size_t high, std::int64_t at, std::int64_t n) const {
    T left[block], right[block];
    const std::size_t middle = low + std::bit_ceil(high - low) / 2;
    const T* a = walk(low, middle, at, n, left);
    const T* b = walk(middle, high, at, n, right);
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[i]);
  }
};

template <class T, class F>
void reduce(std::byte* out, std::span<const std::byte* const> parts, std::int64_t count, F f) {
  const Tree<T, F> tree{parts, f};
  T* y = reinterpret_cast<T*>(out);
  for (std::int64_t at = 0; at < count; at += block)
    tree.combine(y + at, 0, parts.size(), at, std::min(block, count - at));
}

template <class T>
void reduce(std::byte* out, std::span<const std::byte* const> parts, std::int64_t count, Reduce op) {
  op == Reduce::sum ? reduce<T>(out, parts, count, Sum{}) : reduce<T>(out, parts, count, Max{});
}

}  // namespace

void reduce_ranks(std::byte* out, std::span<const std::byte* const> parts, std::int64_t count, DType t, Reduce op) {
  check(parts.size() > 1, "a reduction of {} ranks", parts.size());
  if (t == DType::f32) return reduce<float>(out, parts, count, op);
  if (t == DType::f64) return reduce<double>(out, parts, count, op);
  check(t == DType::i32, "no reduction of {} numbers", name_of(t));
  reduce<std::int32_t>(out, parts, count, op);
}

}  // namespace lact
