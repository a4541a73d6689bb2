#include "parallel/transport/alone.hpp"

#include <numeric>

namespace lact {
namespace {

std::int64_t before(std::span<const std::int64_t> counts, std::size_t at) {
  return std::accumulate(counts.begin(), counts.begin() + std::ptrdiff_t(at), std::int64_t(0));
}

void clear(const Tensor& t) {
  if (t.count() > 0) t.device().clear(t.raw(), std::size_t(t.count() * size_of(t.dtype())));
}

struct Place {  // in a flat tensor
  const Tensor& of;
  std::int64_t at;
  std::byte* raw() const { return of.raw() + at * size_of(of.dtype()); }
};

void copy(const Place& to, const Place& from, std::int64_t count) {
  if (count > 0 && to.raw() != from.raw())
    to.of.device().copy(to.raw(), from.raw(), std::size_t(count * size_of(to.of.dtype())));
}

}  // namespace

void answer_alone(const Collective& c, int rank, int ranks) {
  const auto me = std::size_t(rank), n = std::size_t(ranks);
  const std::span<const std::int64_t> counts = c.counts;
  switch (c.op) {
    case Op::all_reduce:
    case Op::reduce_to:
      return;
    case Op::broadcast:
      if (rank != c.owner) clear(c.out);
      return;
    case Op::all_gather: {
      const Place own{c.out, before(counts, me)};
      if (own.raw() == c.in.raw()) return;
      clear(c.out);
      return copy(own, {c.in, 0}, counts[me]);
    }
    case Op::reduce_scatter:
      return copy({c.out, 0}, {c.in, before(counts, me)}, counts[me]);
    case Op::all_to_all: {
      std::int64_t to = 0;
      for (std::size_t p = 0; p < me; ++p) to += counts[p * n + me];
      clear(c.out);
      return copy({c.out, to}, {c.in, before(counts.subspan(me * n, n), me)}, counts[me * n + me]);
    }
    case Op::exchange:
      for (const Message& m : c.messages)
        if (!m.send) clear(m.body);
  }
}

}  // namespace lact
