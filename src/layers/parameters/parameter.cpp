#include "layers/parameters/parameter.hpp"

namespace lact {

Shape TpSplit::local(const Shape& whole, int tp) const {
  // The dim that is divided: the one at which the dims before it make `outer` blocks, or blocks lie inside it.
  Shape s = whole;
  std::int64_t after = count_of(s);
  for (std::int64_t& dim : s) {
    after /= dim;
    if (size * inner > after) {
      dim /= tp;
      return s;
    }
  }
  return s;
}

std::int64_t whole_index(const Parameter& p, int at, int tp, std::int64_t i) {
  if (!p.split || tp == 1) return i;
  const auto [outer, size, inner] = *p.split;
  const std::int64_t mine = size / tp * inner;  // numbers of this rank in each of the `outer` blocks
  return i / mine * size * inner + at * mine + i % mine;
}

}  // namespace lact
