// The contract of every transport. Collectives are called in the same order on every rank of a communicator, messages
// in the same order on both of their ranks. Tensors are contiguous; zero sizes are legal; several calls may be in
// flight, and finish in any order. Sums add the ranks' numbers along the binary tree over rank numbers, ((0+1)+(2+3)),
// so the same layout gives the same bits on every transport that says `sums_along_tree()`.
#pragma once
#include <memory>
#include <span>
#include <string>

#include "base/spans.hpp"
#include "parallel/health/activity.hpp"
#include "parallel/traffic.hpp"
#include "tensor/tensor.hpp"

namespace lact {

// A call in flight. It holds the call's tensors until wait(), which may be called again; the last copy waits by itself.
class Work {
 public:
  struct State {
    virtual ~State() = default;
    virtual void wait() = 0;  // idempotent
  };
  Work() = default;  // nothing is in flight
  explicit Work(std::shared_ptr<State> state) : state_(std::move(state)) {}
  void wait();

 private:
  std::shared_ptr<State> state_;
};

struct Message {
  Tensor body;
  int peer = 0;
  bool send = false;
};
enum class Reduce : std::uint8_t { sum, max };

struct Collective {  // one call as a transport gets it: checked, and not empty on all ranks
  Op op = Op::all_reduce;
  Tensor out, in;  // the same tensor where a call works in place
  Reduce reduce = Reduce::sum;
  int owner = 0;
  std::vector<std::int64_t> counts;  // as of elements_sent(), always given
  std::vector<Message> messages;     // none of them empty
};

class Communicator {
 public:
  // Without an activity nobody watches. `members`: ranks in the world.
  explicit Communicator(std::string label, Activity* watched = nullptr, std::vector<int> members = {});
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual const char* transport() const = 0;  // "self", "window", "messages", ...
  virtual bool sums_along_tree() const { return true; }
  // Whether all ranks of the world must make the same number of calls, on whatever lines: then no work may be shared
  // out for which one rank makes more calls than another.
  virtual bool in_step() const { return false; }

  // Sums and maxima are of f32, f64 and i32; everything else carries any type.
  Work all_reduce(Tensor inout, Reduce op = Reduce::sum);
  // counts: elements of each rank along the flat tensor when the shares are uneven. `in` may be the own part of `out`,
  // and `out` the own part of `in`.
  Work all_gather(Tensor out, Tensor in, std::span<const std::int64_t> counts = {});
  Work reduce_scatter(Tensor out, Tensor in, std::span<const std::int64_t> counts = {});
  Work reduce_to(Tensor inout, int owner);  // changes the owner's numbers only
  Work broadcast(Tensor inout, int owner);
  // counts: elements from rank a to rank b at [a * size + b], when they are not all equal
  Work all_to_all(Tensor out, Tensor in, std::span<const std::int64_t> counts = {});
  Work exchange(std::span<const Message> messages);  // the k-th message from a to b is the k-th that b receives from a
  // Ranks of one color, ordered by key. The label names the new communicator in reports.
  virtual std::unique_ptr<Communicator> split(int color, int key, const std::string& label) = 0;
  // From now on numbers of this device take the shortest way there is: between GPUs where each rank has its own and the
  // program has NCCL, else through their hosts' memory. Before, they all go through the hosts. Collective.
  virtual void meet_on(Device&) {}

  const std::string& label() const { return label_; }
  Activity* activity() const { return watched_; }
  int activity_line() const { return line_; }
  const Traffic& traffic() const { return ledger_->traffic; }
  void reset_traffic() { ledger_->reset(); }
  // The ledger's seconds by another clock than the host's: that of a GPU's compute stream, which is held up while the
  // host is not. They are in the ledger after settle_traffic(), once the work is over.
  void time_by(Clock clock) { ledger_->time_by(std::move(clock)); }
  void settle_traffic() { ledger_->settle(); }
  // Before each collective the ranks compare what they are about to call, and all of them refuse when they differ, with
  // a sentence that names who. Off by default: it costs a small gather each time. Communicators split off inherit it.
  void compare_calls(bool on) { compare_ = on; }
  bool compares_calls() const { return compare_; }
  // While muted nothing travels and nobody waits, so that a step costs its arithmetic alone. What others would have
  // sent reads as zeros, or stays as it was where a call works in place. The ledger still counts.
  void mute(bool on) { muted_ = on; }
  void record(Spans* spans) { spans_ = spans; }

 protected:
  // Begins the call and returns what waits for it; null where the call is already done.
  virtual std::shared_ptr<Work::State> start(Collective call) = 0;
  // Whether calls that move nothing on this rank are begun all the same.
  virtual bool comes_empty() const { return false; }
  // The same ranks for numbers of the CPU.
  virtual Communicator& host_ranks() { return *this; }

 private:
  void compare(const Collective& call);
  Work begin(Collective call);
  Work in_place(Op op, Tensor inout, Reduce reduce, int owner);
  std::string label_;
  Activity* watched_;
  int line_ = -1;
  bool compare_ = false, muted_ = false;
  Spans* spans_ = nullptr;
  std::int64_t compared_ = 0;  // calls
  std::shared_ptr<Ledger> ledger_ = std::make_shared<Ledger>();
};

std::unique_ptr<Communicator> self_communicator(const std::string& label = "self");  // one rank: copies

}  // namespace lact
