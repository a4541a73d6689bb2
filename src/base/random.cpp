#include "base/random.hpp"

#include <Random123/philox.h>

#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/check.hpp"

namespace lact {
namespace {

std::array<std::uint64_t, 2> philox(std::uint64_t key, std::uint64_t counter) {
  r123::Philox4x32 g;
  r123::Philox4x32::ctr_type c{{std::uint32_t(counter), std::uint32_t(counter >> 32), 0, 0}};
  r123::Philox4x32::key_type k{{std::uint32_t(key), std::uint32_t(key >> 32)}};
  auto r = g(c, k);
  return {r[0] | std::uint64_t(r[1]) << 32, r[2] | std::uint64_t(r[3]) << 32};
}
double unit(std::uint64_t bits) { return double(bits >> 11) * 0x1p-53; }

}  // namespace

std::uint64_t random_key(std::uint64_t seed, std::string_view name, std::int64_t step) {
  std::uint64_t h = 0xcbf29ce484222325u;  // FNV-1a of the name, then mixed with seed and step through Philox
  for (unsigned char c : name) h = (h ^ c) * 0x100000001b3u;
  return philox(philox(h, seed)[0], std::uint64_t(step))[0];
}

std::uint64_t random_bits(std::uint64_t key, std::int64_t index) { return philox(key, std::uint64_t(index))[0]; }

double uniform(std::uint64_t key, std::int64_t index) { return unit(random_bits(key, index)); }

double normal(std::uint64_t key, std::int64_t index) {
  auto bits = philox(key, std::uint64_t(index));
  return std::sqrt(-2 * std::log(1 - unit(bits[0]))) * std::cos(2 * std::numbers::pi * unit(bits[1]));
}

std::vector<std::int64_t> sample_without_replacement(std::uint64_t key, std::int64_t n, std::int64_t count) {
  check(count <= n, "cannot take {} distinct items out of {}", count, n);
  std::vector<std::int64_t> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    auto j = i + std::int64_t(uniform(key, i) * double(n - i));
    std::swap(all[std::size_t(i)], all[std::size_t(j)]);
  }
  all.resize(std::size_t(count));
  return all;
}

}  // namespace lact
