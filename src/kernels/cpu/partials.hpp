// Sums over fixed blocks, joined along a binary tree over the block number: the threads never change the order.
#pragma once
#include <memory>

#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "tensor/tensor.hpp"

namespace lact::kernels {

constexpr std::int64_t rows_per_block =
    64;  // rows whose contributions to a sum over rows are added one after the other

// `blocks` rows of n zeros, to be added to and then joined.
template <class T>
class Partials {
 public:
  Partials(Device& d, std::int64_t blocks, std::int64_t n)
      : bytes_(d.allocate(std::size_t(blocks * n) * sizeof(T))), blocks_(blocks), n_(n) {
    std::fill_n(row(0), blocks * n, T(0));
  }
  T* row(std::int64_t i) { return reinterpret_cast<T*>(bytes_.get()) + i * n_; }
  // A binary tree, level by level: blocks 2i and 2i + 1 are added into block i; an odd last block goes up unchanged.
  void join(T* y) {
    split(n_, 1024, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t gap = 1; gap < blocks_; gap *= 2)
        for (std::int64_t i = 0; i + gap < blocks_; i += 2 * gap)
          for (std::int64_t j = begin; j < end; ++j) row(i)[j] += row(i + gap)[j];
      if (blocks_ > 0)
        std::copy(row(0) + begin, row(0) + end, y + begin);
      else
        std::fill(y + begin, y + end, T(0));
    });
  }

 private:
  std::shared_ptr<std::byte> bytes_;
  std::int64_t blocks_, n_;
};

}  // namespace lact::kernels
