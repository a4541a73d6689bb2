// Byte-pair encoding (Sennrich et al. 2016): of a word's neighbouring symbols the pair that was learned first becomes
// one, the leftmost of several, until no pair is left that was learned.
#pragma once
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace lact {

class Merges {
 public:
  // The next pair, learned after those before; of two entries of one pair the later counts.
  void add(std::int32_t left, std::int32_t right, std::int32_t becomes);
  void merge(std::vector<std::int32_t>& symbols) const;

 private:
  struct Merge {
    std::int32_t turn, becomes;
  };
  const Merge* find(std::int32_t left, std::int32_t right) const;
  std::unordered_map<std::uint64_t, Merge> of_pair_;
  std::int32_t count_ = 0;
};

}  // namespace lact
