// What collectives are called, how many bytes they move, and the ledger that each communicator keeps of them.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/spans.hpp"
#include "tensor/tensor.hpp"

namespace lact {

enum class Op : std::uint8_t { all_reduce, all_gather, reduce_scatter, reduce_to, broadcast, all_to_all, exchange };
constexpr std::size_t op_kinds = 7;
const char* name_of(Op op);

// Of `n` numbers those of one of `parts` parts that differ by at most one: [n r / parts, n (r + 1) / parts).
Range even_part(std::int64_t n, int part, int parts);
// Numbers per rank when `total` are cut as evenly as possible, e.g. 7 over 3 ranks: 2 2 3.
std::vector<std::int64_t> even_counts(std::int64_t total, int ranks);

// The one formula for traffic: the elements that leave rank `rank`, whatever a transport really does. With n ranks,
// t elements in all and c of them belonging to this rank (even_counts where the caller gives no counts):
//   all_gather c (n-1);  reduce_scatter t - c;  all_reduce both, one after the other;
//   broadcast t (n-1) from the owner;  reduce_to t from every other rank;
//   all_to_all: what goes to others (`counts` is n x n then, [from * n + to]).
// An exchange sends the bodies of its messages to other ranks.
std::int64_t elements_sent(Op op, int rank, int ranks, std::span<const std::int64_t> counts, int owner = 0);

struct Traffic {
  struct Row {
    std::int64_t calls = 0, bytes = 0;           // bytes: elements_sent times their size
    double begin_seconds = 0, wait_seconds = 0;  // in which the calling thread could do nothing else
    double moving_seconds = 0;                   // of those: this thread copied and added up; the rest is waiting
    double flight_seconds = 0;                   // from the beginning of each call until it was waited for
    Row& operator+=(const Row& r);
    double blocked_seconds() const { return begin_seconds + wait_seconds; }
  };
  std::array<Row, op_kinds> rows;
  Row& of(Op op) { return rows[std::size_t(op)]; }
  const Row& of(Op op) const { return rows[std::size_t(op)]; }
  Row total() const;
};

// Adds up the seconds of calls, by the host's clock or by a device's: of the latter once its work is over (settle()).
class Ledger {
 public:
  Traffic traffic;
  void time_by(Clock clock) { clock_ = std::move(clock); }
  Moment now() const { return now_by(clock_); }
  void add(Op op, double Traffic::Row::*seconds, const Moment& begin, const Moment& end);
  void settle();
  void reset() { traffic = {}, later_.clear(); }

 private:
  struct Entry {
    Op op;
    double Traffic::Row::*seconds;
    Moment begin, end;
  };
  Clock clock_;
  std::vector<Entry> later_;
};

}  // namespace lact
