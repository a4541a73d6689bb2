// One collective as messages that never block. Reductions bring the parts of all ranks together and add them up along
// the tree of rank numbers; an all_reduce is a reduce_scatter of even slices and then a gather of them.
#pragma once
#include <memory>

#include "parallel/communicator.hpp"

namespace lact {

class Wire {  // messages of one call
 public:
  virtual ~Wire() = default;
  virtual void send(const std::byte* from, std::int64_t bytes, int to) = 0;
  virtual void receive(std::byte* to, std::int64_t bytes, int from) = 0;
  virtual bool idle() = 0;  // all that was begun has arrived and left
};

class Transfer {
 public:
  Transfer(std::unique_ptr<Wire> wire, int rank, int ranks, Collective call);  // sends at once
  bool advance();                                                              // true if something was done
  bool done() const { return phase_ == Phase::done; }

 private:
  enum class Phase : std::uint8_t { reduce, arrive, done };
  void send(std::int64_t at, std::int64_t count, std::size_t to);
  void receive(std::int64_t at, std::int64_t count, std::size_t from);
  std::byte* in(std::int64_t at) const { return call_.in.raw() + at * unit_; }
  std::byte* out(std::int64_t at) const { return call_.out.raw() + at * unit_; }
  std::int64_t count(std::size_t rank) const { return call_.counts[rank]; }
  void begin_parts();
  void begin_gather();
  void begin_all_to_all();
  void begin_exchange();
  void begin_owned();
  void reduce_parts();

  std::unique_ptr<Wire> wire_;
  std::size_t me_, ranks_;
  Collective call_;
  Phase phase_ = Phase::arrive;
  std::int64_t unit_ = 0, mine_ = 0;  // bytes of a number; numbers that I add up
  std::vector<std::int64_t> at_;      // where the part of each rank begins
  std::vector<std::byte> parts_;      // of the others, mine_ numbers each
};

}  // namespace lact
