// Where the numbers of K views of one shape lie, as a kernel takes it by value. Plain data for both compilers.
#pragma once
#include "kernels/functors.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels {

template <int K>
struct Offsets {
  std::int64_t at[K];
};

template <int K>
struct Places {
  static constexpr int most = 8;
  int dims = 1;
  bool small = true;  // everything fits 32 bits: divisions are cheaper
  std::int64_t size[most] = {1};
  std::int64_t step[K][most] = {};

  Places() = default;
  Places(const Layout<K>& l) : dims(l.dims) {
    check(dims <= most, "a cuda kernel takes views of at most {} dims that do not join, not {}", most, dims);
    for (int d = 0; d < dims; ++d) {
      size[d] = l.size[std::size_t(d)];
      for (int k = 0; k < K; ++k) step[k][d] = l.step[std::size_t(k)][std::size_t(d)];
    }
    small = l.count() < (std::int64_t(1) << 31);
  }
  // Offsets of the i-th number in row-major order.
  LACT_BOTH Offsets<K> of(std::int64_t i) const { return small ? walk(std::uint32_t(i)) : walk(std::uint64_t(i)); }

 private:
  template <class I>
  LACT_BOTH Offsets<K> walk(I i) const {
    Offsets<K> o{};
    for (int d = dims - 1; d > 0; --d) {
      const I n = I(size[d]), j = i % n;
      i /= n;
      for (int k = 0; k < K; ++k) o.at[k] += std::int64_t(j) * step[k][d];
    }
    for (int k = 0; k < K; ++k) o.at[k] += std::int64_t(i) * step[k][0];
    return o;
  }
};

// The dims of K views of one shape, joined where all of them allow it.
template <int K>
Layout<K> joint_layout(const std::array<const Tensor*, K>& views, int dims) {
  Layout<K> l;
  for (std::size_t d = 0; d < std::size_t(dims); ++d) {
    std::array<std::int64_t, K> step;
    for (std::size_t k = 0; k < K; ++k) step[k] = views[k]->strides()[d];
    l.push(views[0]->shape()[d], step);
  }
  l.close();
  return l;
}

// Whether the views can be read `wide` numbers at a time along the last dim: a view that is contiguous there must begin
// every such pack on its own alignment. A view with another step is read number by number and asks for nothing.
template <int K>
bool fits_packs(const Layout<K>& l, const std::array<const Tensor*, K>& views, std::int64_t wide) {
  const auto last = std::size_t(l.dims - 1);
  if (l.size[last] % wide != 0) return false;
  for (std::size_t k = 0; k < K; ++k) {
    if (l.step[k][last] != 1) continue;
    const std::int64_t bytes = std::min<std::int64_t>(16, wide * size_of(views[k]->dtype()));
    if (reinterpret_cast<std::uintptr_t>(views[k]->raw()) % std::uintptr_t(bytes) != 0) return false;
    for (std::size_t d = 0; d < last; ++d)
      if (l.step[k][d] % wide != 0) return false;
  }
  return true;
}

}  // namespace lact::kernels
