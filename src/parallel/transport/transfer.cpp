#include "parallel/transport/transfer.hpp"

#include <cstring>

#include "parallel/transport/reduction.hpp"

namespace lact {

Transfer::Transfer(std::unique_ptr<Wire> wire, int rank, int ranks, Collective call)
    : wire_(std::move(wire)), me_(std::size_t(rank)), ranks_(std::size_t(ranks)), call_(std::move(call)) {
  std::int64_t at = 0;
  for (std::int64_t c : call_.counts) at_.push_back(at), at += c;
  if (call_.out.defined()) unit_ = size_of(call_.out.dtype());
  switch (call_.op) {
    case Op::all_gather:
      if (out(at_[me_]) != call_.in.raw()) std::memcpy(out(at_[me_]), call_.in.raw(), std::size_t(count(me_) * unit_));
      begin_gather();
      break;
    case Op::all_reduce:
    case Op::reduce_scatter:
      begin_parts();
      break;
    case Op::broadcast:
    case Op::reduce_to:
      begin_owned();
      break;
    case Op::all_to_all:
      begin_all_to_all();
      break;
    case Op::exchange:
      begin_exchange();
  }
}

void Transfer::send(std::int64_t at, std::int64_t count, std::size_t to) {
  wire_->send(in(at), count * unit_, int(to));
}
void Transfer::receive(std::int64_t at, std::int64_t count, std::size_t from) {
  wire_->receive(out(at), count * unit_, int(from));
}

// reduce_scatter, and the first half of all_reduce: everybody's numbers of my part come to me.
void Transfer::begin_parts() {
  phase_ = Phase::reduce;
  mine_ = count(me_);
  parts_.resize(std::size_t(mine_ * unit_) * ranks_);
  for (std::size_t p = 0; p < ranks_; ++p) {
    if (p == me_) continue;
    wire_->receive(parts_.data() + std::int64_t(p) * mine_ * unit_, mine_ * unit_, int(p));
    send(at_[p], count(p), p);
  }
}

void Transfer::begin_gather() {
  phase_ = Phase::arrive;
  for (std::size_t p = 0; p < ranks_; ++p) {
    if (p == me_) continue;
    receive(at_[p], count(p), p);
    wire_->send(out(at_[me_]), count(me_) * unit_, int(p));
  }
}

void Transfer::begin_owned() {
  const auto owner = std::size_t(call_.owner);
  const std::int64_t whole = call_.in.count();
  if (call_.op == Op::broadcast) {
    if (me_ != owner) return receive(0, whole, owner);
    for (std::size_t p = 0; p < ranks_; ++p)
      if (p != me_) send(0, whole, p);
    return;
  }
  if (me_ != owner) return send(0, whole, owner);
  phase_ = Phase::reduce;
  mine_ = whole;
  parts_.resize(std::size_t(mine_ * unit_) * ranks_);
  for (std::size_t p = 0; p < ranks_; ++p)
    if (p != me_) wire_->receive(parts_.data() + std::int64_t(p) * mine_ * unit_, mine_ * unit_, int(p));
}

void Transfer::begin_all_to_all() {
  std::int64_t from = 0, to = 0;
  for (std::size_t p = 0; p < ranks_; ++p) {
    const std::int64_t sent = count(me_ * ranks_ + p), received = count(p * ranks_ + me_);
    if (p == me_) {
      std::memcpy(out(to), in(from), std::size_t(sent * unit_));
    } else {
      receive(to, received, p);
      send(from, sent, p);
    }
    from += sent, to += received;
  }
}

void Transfer::begin_exchange() {
  for (const Message& m : call_.messages) {
    const std::int64_t bytes = m.body.count() * size_of(m.body.dtype());
    if (m.send)
      wire_->send(m.body.raw(), bytes, m.peer);
    else
      wire_->receive(m.body.raw(), bytes, m.peer);
  }
}

void Transfer::reduce_parts() {
  const bool owned = call_.op == Op::reduce_to;
  const std::int64_t in_at = owned ? 0 : at_[me_], out_at = call_.op == Op::all_reduce ? in_at : 0;
  std::vector<const std::byte*> parts;
  for (std::size_t p = 0; p < ranks_; ++p)
    parts.push_back(p == me_ ? in(in_at) : parts_.data() + std::int64_t(p) * mine_ * unit_);
  reduce_ranks(out(out_at), parts, mine_, call_.out.dtype(), call_.reduce);
}

bool Transfer::advance() {
  if (done() || !wire_->idle()) return false;
  if (phase_ == Phase::reduce) reduce_parts();
  if (phase_ == Phase::reduce && call_.op == Op::all_reduce)
    begin_gather();
  else
    phase_ = Phase::done;
  if (done()) call_ = {}, parts_ = {};
  return true;
}

}  // namespace lact
