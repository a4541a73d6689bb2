#include "data/text/permutation.hpp"

#include "base/check.hpp"
#include "base/random.hpp"

namespace lact {
namespace {

constexpr int rounds = 8;  // four would do for large n; small ones mix less in each

}  // namespace

Permutation::Permutation(std::uint64_t key, std::int64_t n) : key_(key), n_(n) {
  check(n > 0 && n <= std::int64_t(1) << 60, "there is no permutation of {} numbers", n);
  while (std::int64_t(1) << 2 * half_bits_ < n) ++half_bits_;
}

std::int64_t Permutation::operator()(std::int64_t place) const {
  check(place >= 0 && place < n_, "a permutation of {} numbers has no place {}", n_, place);
  const std::int64_t mask = (std::int64_t(1) << half_bits_) - 1;
  do {
    std::int64_t left = place >> half_bits_, right = place & mask;
    for (int r = 0; r < rounds; ++r) {
      const auto bits = std::int64_t(random_bits(key_ + std::uint64_t(r), right));
      const std::int64_t mixed = left ^ (bits & mask);
      left = right;
      right = mixed;
    }
    place = left << half_bits_ | right;
  } while (place >= n_);
  return place;
}

}  // namespace lact
