#include "parallel/communicator.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <numeric>

#include "base/check.hpp"
#include "parallel/transport/alone.hpp"
#include "parallel/transport/progress_engine.hpp"

namespace lact {
namespace {

// What is known of a call when it begins.
struct Begun {
  Op op = Op::all_reduce;
  Moment at;
  std::int64_t bytes = 0;
  std::uint64_t sequence = 0, exchange = 0;  // on its line of the activity; one of them
};

// A call in flight with its ledger, its place in the activity and its spans.
class Tracked final : public Work::State {
 public:
  Tracked(std::shared_ptr<Work::State> inner, const Begun& begun, std::shared_ptr<Ledger> ledger, Activity* watched,
          int line, Spans* spans, std::string label)
      : inner_(std::move(inner)),
        begun_(begun),
        ledger_(std::move(ledger)),
        watched_(watched),
        line_(line),
        spans_(spans),
        label_(std::move(label)) {}
  ~Tracked() override {
    // A rank that fails does not wait for the others: they may wait for it.
    if (inner_ && std::uncaught_exceptions() == 0) wait();
  }
  void wait() override {
    if (!inner_) return;
    if (spans_ == nullptr) return wait_for_inner();
    {
      const Spanning span(spans_, "wait", sentence("wait {} {}", label_, name_of(begun_.op)));
      wait_for_inner();
    }
    spans_->add_beside(
        {.kind = "collective", .name = sentence("{} {}", label_, name_of(begun_.op)), .bytes = begun_.bytes},
        begun_.at);
  }

 private:
  void wait_for_inner() {
    const Moment begin = ledger_->now();
    if (watched_) {
      auto& b = watched_->blocked;
      b.sequence = begun_.sequence, b.exchange = begun_.exchange, b.op = begun_.op, b.since = steady_seconds();
      b.line = b.last = line_;
    }
    const auto inner = std::move(inner_);
    const double moved = seconds_moving();
    inner->wait();
    ledger_->traffic.of(begun_.op).moving_seconds += seconds_moving() - moved;
    if (watched_) {
      watched_->blocked.line = -1;
      if (begun_.sequence > 0) ++watched_->lines[std::size_t(line_)].finished;
    }
    const Moment end = ledger_->now();
    ledger_->add(begun_.op, &Traffic::Row::wait_seconds, begin, end);
    ledger_->add(begun_.op, &Traffic::Row::flight_seconds, begun_.at, end);
  }
  std::shared_ptr<Work::State> inner_;
  Begun begun_;
  std::shared_ptr<Ledger> ledger_;
  Activity* watched_;
  int line_;
  Spans* spans_;
  std::string label_;
};

std::int64_t total_of(std::span<const std::int64_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t(0));
}

void check_tensor(Op op, const Tensor& t) {
  check(t.defined() && t.contiguous(), "{} needs contiguous numbers", name_of(op));
}

void check_reducible(Op op, const Tensor& t) {
  const DType d = t.dtype();
  check(d == DType::f32 || d == DType::f64 || d == DType::i32,
        "{} cannot add {} numbers of several ranks: cast them to f32 first", name_of(op), name_of(d));
}

void check_pair(Op op, const Tensor& out, const Tensor& in) {
  check_tensor(op, out), check_tensor(op, in);
  check(out.dtype() == in.dtype(), "{} from {} to {} numbers", name_of(op), name_of(in.dtype()), name_of(out.dtype()));
}

// The counts given, or `each` for every rank.
std::vector<std::int64_t> counts_or(Op op, std::span<const std::int64_t> given, std::size_t wanted, std::int64_t each) {
  if (given.empty()) return std::vector<std::int64_t>(wanted, each);
  check(given.size() == wanted && std::ranges::all_of(given, [](auto c) { return c >= 0; }),
        "{} needs {} counts of at least 0, and got {}", name_of(op), wanted, given.size());
  return {given.begin(), given.end()};
}

void check_counts(Op op, std::int64_t whole, std::int64_t part, std::int64_t total, std::int64_t own) {
  check(whole == total && part == own, "{} with a whole of {} and a part of {} numbers, where the counts say {} and {}",
        name_of(op), whole, part, total, own);
}

}  // namespace

void Work::wait() {
  if (!state_) return;
  state_->wait();
  state_.reset();
}

Communicator::Communicator(std::string label, Activity* watched, std::vector<int> members)
    : label_(std::move(label)), watched_(watched) {
  if (watched_) line_ = watched_->line_of(label_, members);
}

Work Communicator::begin(Collective call) {
  Begun begun{.op = call.op, .at = ledger_->now()};
  const double moved = seconds_moving();
  if (call.op == Op::exchange) {
    for (const Message& m : call.messages)
      if (m.send && m.peer != rank()) begun.bytes += m.body.count() * size_of(m.body.dtype());
  } else {
    begun.bytes = elements_sent(call.op, rank(), size(), call.counts, call.owner) * size_of(call.out.dtype());
  }
  if (compare_ && !muted_ && call.op != Op::exchange && size() > 1) compare(call);
  const bool empty = call.op == Op::exchange ? call.messages.empty() : total_of(call.counts) == 0;
  if (watched_ && !muted_ && !empty) {
    Activity::Line& line = watched_->lines[std::size_t(line_)];
    call.op == Op::exchange ? begun.exchange = ++line.exchanges : begun.sequence = ++line.begun;
  }
  std::shared_ptr<Work::State> state;
  {
    const std::string name = spans_ == nullptr ? "" : sentence("begin {} {}", label_, name_of(begun.op));
    const Spanning span(spans_, "begin", name, begun.bytes);
    if (muted_)
      answer_alone(call, rank(), size());
    else if (!empty || comes_empty())
      state = start(std::move(call));
  }
  Traffic::Row& row = ledger_->traffic.of(begun.op);
  ++row.calls, row.bytes += begun.bytes;
  row.moving_seconds += seconds_moving() - moved;
  const Moment now = ledger_->now();
  ledger_->add(begun.op, &Traffic::Row::begin_seconds, begun.at, now);
  if (!state) {
    ledger_->add(begun.op, &Traffic::Row::flight_seconds, begun.at, now);
    if (begun.sequence > 0) ++watched_->lines[std::size_t(line_)].finished;
    return {};
  }
  return Work(std::make_shared<Tracked>(std::move(state), begun, ledger_, watched_, line_, spans_,
                                        spans_ == nullptr ? std::string() : label_));
}

void Communicator::compare(const Collective& call) {
  static const auto host = Device::open(Backend::cpu);
  constexpr std::size_t words = 6;
  std::int64_t parts = 0;  // of the counts, in order
  for (std::int64_t c : call.counts) parts = (parts ^ c) * 0x9E3779B1 % 0x7FFFFFFF;
  const std::int64_t bytes = total_of(call.counts) * size_of(call.out.dtype());
  const std::array<std::int64_t, words> mine{
      ++compared_, std::int64_t(call.op), bytes, std::int64_t(call.reduce), call.owner, parts};
  const auto record = std::int64_t(sizeof mine);
  const Tensor in = Tensor::empty(*host, {record}, DType::u8), out = Tensor::empty(*host, {record * size()}, DType::u8);
  std::memcpy(in.raw(), mine.data(), sizeof mine);
  auto counts = std::vector<std::int64_t>(std::size_t(size()), record);
  if (const auto state = host_ranks().start({Op::all_gather, out, in, Reduce::sum, 0, std::move(counts), {}}))
    state->wait();
  std::vector<std::array<std::int64_t, words>> all(static_cast<std::size_t>(size()));
  std::memcpy(all.data(), out.raw(), all.size() * sizeof mine);
  const auto most = *std::ranges::max_element(all, {}, [&](const auto& r) { return std::ranges::count(all, r); });
  const auto odd = std::ranges::find_if(all, [&](const auto& r) { return r != most; });
  if (odd == all.end()) return;
  auto said = [](const auto& r) {
    return sentence("{} number {} ({} bytes, owner {})", name_of(Op(r[1])), r[0], r[2], r[4]);
  };
  fail("along '{}' rank {} is about to call {} where others call {}{}", label_, odd - all.begin(), said(*odd),
       said(most), said(*odd) == said(most) ? ", with other parts" : "");
}

Work Communicator::in_place(Op op, Tensor inout, Reduce reduce, int owner) {
  check_tensor(op, inout);
  check(owner >= 0 && owner < size(), "{}: rank {} of {} owns nothing", name_of(op), owner, size());
  auto counts = even_counts(inout.count(), size());
  return begin({op, inout, inout, reduce, owner, std::move(counts), {}});
}

Work Communicator::all_reduce(Tensor inout, Reduce reduce) {
  check_reducible(Op::all_reduce, inout);
  return in_place(Op::all_reduce, std::move(inout), reduce, 0);
}

Work Communicator::reduce_to(Tensor inout, int owner) {
  check_reducible(Op::reduce_to, inout);
  return in_place(Op::reduce_to, std::move(inout), Reduce::sum, owner);
}

Work Communicator::broadcast(Tensor inout, int owner) {
  return in_place(Op::broadcast, std::move(inout), Reduce::sum, owner);
}

Work Communicator::all_gather(Tensor out, Tensor in, std::span<const std::int64_t> given) {
  check_pair(Op::all_gather, out, in);
  auto counts = counts_or(Op::all_gather, given, std::size_t(size()), in.count());
  check_counts(Op::all_gather, out.count(), in.count(), total_of(counts), counts[std::size_t(rank())]);
  return begin({Op::all_gather, std::move(out), std::move(in), Reduce::sum, 0, std::move(counts), {}});
}

Work Communicator::reduce_scatter(Tensor out, Tensor in, std::span<const std::int64_t> given) {
  check_pair(Op::reduce_scatter, out, in);
  check_reducible(Op::reduce_scatter, in);
  auto counts = counts_or(Op::reduce_scatter, given, std::size_t(size()), out.count());
  check_counts(Op::reduce_scatter, in.count(), out.count(), total_of(counts), counts[std::size_t(rank())]);
  return begin({Op::reduce_scatter, std::move(out), std::move(in), Reduce::sum, 0, std::move(counts), {}});
}

Work Communicator::all_to_all(Tensor out, Tensor in, std::span<const std::int64_t> given) {
  check_pair(Op::all_to_all, out, in);
  const auto n = std::size_t(size()), me = std::size_t(rank());
  auto counts = counts_or(Op::all_to_all, given, n * n, in.count() / size());
  std::int64_t sent = 0, received = 0;
  for (std::size_t p = 0; p < n; ++p) sent += counts[me * n + p], received += counts[p * n + me];
  check_counts(Op::all_to_all, in.count(), out.count(), sent, received);
  return begin({Op::all_to_all, std::move(out), std::move(in), Reduce::sum, 0, std::move(counts), {}});
}

Work Communicator::exchange(std::span<const Message> messages) {
  Collective call;
  call.op = Op::exchange;
  for (const Message& m : messages) {
    check_tensor(Op::exchange, m.body);
    check(m.peer >= 0 && m.peer < size(), "a message to rank {} of {}", m.peer, size());
    if (m.body.count() > 0) call.messages.push_back(m);
  }
  return begin(std::move(call));
}

}  // namespace lact
