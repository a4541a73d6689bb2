// All numbers below n in random order, each computed from its place without storing the others.
#pragma once
#include <cstdint>

namespace lact {

// A Feistel network (Luby and Rackoff 1988) over the next power of four, walked until it falls below n (Black and
// Rogaway 2002): at most four steps in the mean.
class Permutation {
 public:
  Permutation(std::uint64_t key, std::int64_t n);
  std::int64_t operator()(std::int64_t place) const;  // of [0, n)

 private:
  std::uint64_t key_;
  std::int64_t n_;
  int half_bits_ = 1;
};

}  // namespace lact
