// Free blocks of memory by size class, for every kind of memory.
#pragma once
#include <algorithm>
#include <bit>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "tensor/device.hpp"

namespace lact {

// A class is a power of two or one of the three steps between two of them, so at most a quarter is wasted; from 2 MB on
// it is whole pages of 2 MB.
class Pool {
 public:
  using Make = std::function<std::byte*(std::size_t)>;  // null where there is no memory left
  using Free = std::function<void(std::byte*)>;
  Pool(Make make, Free free) : make_(std::move(make)), free_(std::move(free)) {}
  ~Pool() { release(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  std::byte* take(std::size_t size) {  // null where there is no memory left, even with nothing kept free
    std::lock_guard lock(mutex_);
    std::byte* p = kept(size);
    if (p == nullptr) p = make_(size);
    if (p == nullptr) {
      release();
      p = make_(size);
    }
    if (p == nullptr) return p;
    use_.now += size;
    use_.peak = std::max(use_.peak, use_.now);
    return p;
  }
  void give(std::byte* p, std::size_t size) {
    std::lock_guard lock(mutex_);
    use_.now -= size;
    blocks_[size].push_back(p);
  }
  MemoryUse use() const {
    std::lock_guard lock(mutex_);
    return use_;
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    use_.peak = use_.now;
  }
  static std::size_t size_class(std::size_t bytes) {
    constexpr std::size_t huge = 2u << 20;
    if (bytes <= 256) return 256;
    std::size_t step = std::bit_floor(bytes - 1) / 4;
    std::size_t size = (bytes + step - 1) / step * step;
    return size < huge ? size : (bytes + huge - 1) / huge * huge;
  }

 private:
  std::byte* kept(std::size_t size) {
    auto found = blocks_.find(size);
    if (found == blocks_.end() || found->second.empty()) return nullptr;
    std::byte* p = found->second.back();
    found->second.pop_back();
    return p;
  }
  void release() {
    for (auto& [size, blocks] : blocks_)
      for (std::byte* p : blocks) free_(p);
    blocks_.clear();
  }

  Make make_;
  Free free_;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<std::byte*>> blocks_;
  MemoryUse use_;
};

}  // namespace lact
