#include "parallel/traffic.hpp"

#include <numeric>

namespace lact {

const char* name_of(Op op) {
  constexpr std::array<const char*, op_kinds> names{"all_reduce", "all_gather", "reduce_scatter", "reduce_to",
                                                    "broadcast",  "all_to_all", "exchange"};
  return names[std::size_t(op)];
}

Range even_part(std::int64_t n, int part, int parts) { return {n * part / parts, n * (part + 1) / parts}; }

std::vector<std::int64_t> even_counts(std::int64_t total, int ranks) {
  std::vector<std::int64_t> counts;
  for (int r = 0; r < ranks; ++r) counts.push_back(even_part(total, r, ranks).size());
  return counts;
}

std::int64_t elements_sent(Op op, int rank, int ranks, std::span<const std::int64_t> counts, int owner) {
  const std::int64_t others = ranks - 1;
  if (op == Op::all_to_all) {
    const auto row = counts.subspan(std::size_t(rank) * std::size_t(ranks), std::size_t(ranks));
    return std::accumulate(row.begin(), row.end(), std::int64_t(0)) - row[std::size_t(rank)];
  }
  const std::int64_t total = std::accumulate(counts.begin(), counts.end(), std::int64_t(0));
  const std::int64_t own = counts.empty() ? 0 : counts[std::size_t(rank)];
  switch (op) {
    case Op::all_gather:
      return own * others;
    case Op::reduce_scatter:
      return total - own;
    case Op::all_reduce:
      return total - own + own * others;
    case Op::reduce_to:
      return rank == owner ? 0 : total;
    case Op::broadcast:
      return rank == owner ? total * others : 0;
    default:
      return 0;
  }
}

Traffic::Row& Traffic::Row::operator+=(const Row& r) {
  calls += r.calls, bytes += r.bytes;
  begin_seconds += r.begin_seconds, wait_seconds += r.wait_seconds;
  moving_seconds += r.moving_seconds, flight_seconds += r.flight_seconds;
  return *this;
}

Traffic::Row Traffic::total() const {
  Row sum;
  for (const Row& r : rows) sum += r;
  return sum;
}

void Ledger::add(Op op, double Traffic::Row::*seconds, const Moment& begin, const Moment& end) {
  later_.push_back({op, seconds, begin, end});
  if (!clock_) settle();
}

void Ledger::settle() {
  for (const Entry& e : later_) traffic.of(e.op).*e.seconds += e.end() - e.begin();
  later_.clear();
}

}  // namespace lact
