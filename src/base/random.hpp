// Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011, through Random123): a number is a function of
// names and positions, so the same element gets the same number on any layout and no generator object travels.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace lact {

// A stream of numbers named by the run's seed, a name and a step (or any other integer).
std::uint64_t random_key(std::uint64_t seed, std::string_view name, std::int64_t step = 0);
std::uint64_t random_bits(std::uint64_t key, std::int64_t index);
double uniform(std::uint64_t key, std::int64_t index);  // [0, 1)
double normal(std::uint64_t key, std::int64_t index);   // mean 0, variance 1 (Box-Muller)
// `count` distinct integers of [0, n) in random order (Fisher-Yates on the first `count`). Needs count <= n.
std::vector<std::int64_t> sample_without_replacement(std::uint64_t key, std::int64_t n, std::int64_t count);

}  // namespace lact
