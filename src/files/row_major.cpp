#include "files/row_major.hpp"

#include <cstring>

#include "base/check.hpp"

namespace lact {

std::optional<std::int64_t> bytes_of(const Shape& s, std::int64_t element_bytes) {
  std::int64_t bytes = element_bytes;
  bool empty = false;
  for (std::int64_t d : s) {
    if (d < 0) return std::nullopt;
    if (d == 0)
      empty = true;
    else if (__builtin_mul_overflow(bytes, d, &bytes))
      return std::nullopt;
  }
  return empty ? 0 : bytes;
}

Tensor row_major(const Tensor& t) {
  if (t.device().backend() != Backend::cpu) return row_major(on_host(t));
  if (t.contiguous()) return t;
  Tensor out = like(t);
  std::int64_t element = size_of(t.dtype());
  Shape at(t.shape().size(), 0);
  std::int64_t from = 0;  // in elements
  for (std::int64_t i = 0; i < t.count(); ++i) {
    std::memcpy(out.raw() + i * element, t.raw() + from * element, std::size_t(element));
    for (std::size_t d = at.size(); d-- > 0;) {
      from += t.strides()[d];
      if (++at[d] < t.shape()[d]) break;
      from -= at[d] * t.strides()[d];
      at[d] = 0;
    }
  }
  return out;
}

}  // namespace lact
