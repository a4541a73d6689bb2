// Free blocks of memory by size class, for every kind of memory.
#pragma once
#include <algorithm>
#include <array>
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
  ~Pool() {
    for (Part& part : parts_) release(part);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Blocks taken `apart` are only ever handed out again to takers `apart`. They stay while held work may use them
  // again.
  enum Place : std::uint8_t { open, apart };
  // Null where there is no memory left, even with nothing kept free.
  std::byte* take(std::size_t size, Place place = open) {
    std::lock_guard lock(mutex_);
    Part& part = parts_[place];
    std::byte* p = part.kept(size);
    if (p == nullptr && !frozen_) p = make_(size);
    if (p == nullptr && !frozen_) {
      release(parts_[open]);
      if (held_.empty()) release(parts_[apart]), ++releases_;
      p = make_(size);
    }
    if (p == nullptr) return p;
    part.now += size;
    part.peak = std::max(part.peak, part.now);
    peak_ = std::max(peak_, now());
    return p;
  }
  void give(std::byte* p, std::size_t size, Place place = open) {
    std::lock_guard lock(mutex_);
    parts_[place].now -= size;
    parts_[place].blocks[size].push_back(p);
  }
  MemoryUse use() const {
    std::lock_guard lock(mutex_);
    return {now(), peak_};
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    peak_ = now();
  }

  // How often the blocks kept apart were given back to the system. While this number stays, so do the blocks.
  int releases() const {
    std::lock_guard lock(mutex_);
    return releases_;
  }
  // Until hold() or thaw() only blocks that are already there are handed out: none is made.
  void freeze() {
    std::lock_guard lock(mutex_);
    frozen_ = true;
    parts_[apart].peak = parts_[apart].now;
  }
  void thaw() {
    std::lock_guard lock(mutex_);
    frozen_ = false;
  }
  // Keeps the blocks that were taken apart since freeze() for work that will run again, under the number returned. They
  // count as in use, whether it runs or not.
  int hold() {
    std::lock_guard lock(mutex_);
    frozen_ = false;
    held_[++last_held_] = parts_[apart].peak;
    peak_ = std::max(peak_, now());
    return last_held_;
  }
  bool holds(int work) const {
    std::lock_guard lock(mutex_);
    return held_.contains(work);
  }
  void let_go(int work) {
    std::lock_guard lock(mutex_);
    held_.erase(work);
  }
  bool let_go_of_all() {  // whether anything was held
    std::lock_guard lock(mutex_);
    const bool any = !held_.empty();
    held_.clear();
    return any;
  }

  static std::size_t size_class(std::size_t bytes) {
    constexpr std::size_t huge = 2u << 20;
    if (bytes <= 256) return 256;
    std::size_t step = std::bit_floor(bytes - 1) / 4;
    std::size_t size = (bytes + step - 1) / step * step;
    return size < huge ? size : (bytes + huge - 1) / huge * huge;
  }

 private:
  struct Part {
    std::map<std::size_t, std::vector<std::byte*>> blocks;  // free ones
    std::size_t now = 0, peak = 0;                          // bytes handed out
    std::byte* kept(std::size_t size) {
      auto found = blocks.find(size);
      if (found == blocks.end() || found->second.empty()) return nullptr;
      std::byte* p = found->second.back();
      found->second.pop_back();
      return p;
    }
  };
  std::size_t now() const {
    std::size_t most = parts_[apart].now;
    for (const auto& [work, bytes] : held_) most = std::max(most, bytes);
    return parts_[open].now + most;
  }
  void release(Part& part) {
    for (auto& [size, blocks] : part.blocks)
      for (std::byte* p : blocks) free_(p);
    part.blocks.clear();
  }

  Make make_;
  Free free_;
  mutable std::mutex mutex_;
  std::array<Part, 2> parts_;
  std::map<int, std::size_t> held_;  // the number of held work -> the most bytes that it took apart at a time
  int last_held_ = 0, releases_ = 0;
  bool frozen_ = false;
  std::size_t peak_ = 0;
};

}  // namespace lact
