// NCCL between GPUs: each line of ranks in a stream of its own, ordered with the compute stream by events.
#include <cuda_runtime.h>
#include <nccl.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

#include "base/check.hpp"
#include "base/cores.hpp"
#include "parallel/health/watchdog.hpp"
#include "parallel/together.hpp"
#include "parallel/transport/gpu_ranks.hpp"
#include "parallel/world.hpp"

namespace lact {
namespace {

void worked(ncclResult_t status, const char* what) {
  check(status == ncclSuccess, "NCCL: {} failed: {}", what, ncclGetErrorString(status));
}

ncclDataType_t type_of(DType t) {
  return t == DType::f64 ? ncclFloat64 : t == DType::f32 ? ncclFloat32 : ncclInt32;  // what the contract adds up
}

// A collective on its way through the line's stream.
struct Flight {
  Event ready, done;  // its numbers are there; it has passed
  Op op;
  std::uint64_t sequence, exchange;  // one of them, the other 0
};

// Tells the line's place in the activity while the GPU waits for other ranks, since the host does not wait then, and
// ends this process when NCCL fails by itself.
class Watch {
 public:
  Watch(ncclComm_t comm, const Communicator& line, int gpu)
      : comm_(comm), label_(line.label()), activity_(*line.activity()), line_(line.activity_line()), gpu_(gpu) {
    const MakingThreads making;
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  void add(Flight f) {
    std::lock_guard lock(mutex_);
    flights_.push_back(std::move(f));
  }

 private:
  static constexpr auto tick = std::chrono::milliseconds(50);
  static constexpr double visible = 0.5;       // seconds in the same collective from which on it is told
  static constexpr double seconds_to_say = 5;  // for the watchdog, which knows better who is to blame

  void run(const std::stop_token& stop) {
    cudaSetDevice(gpu_);
    for (std::unique_lock lock(mutex_); !stop.stop_requested();
         stopped_.wait_for(lock, stop, tick, [] { return false; }))
      try {
        look();
      } catch (const Error& e) {
        give_up(e.what());
      }
    tell(false);
  }
  void look() {
    ncclResult_t status = ncclSuccess;
    worked(ncclCommGetAsyncError(comm_, &status), "asking for errors");
    if (status != ncclSuccess && status != ncclInProgress) give_up(ncclGetErrorString(status));
    const double now = steady_seconds();
    for (; !flights_.empty() && flights_.front().done.happened(); flights_.pop_front()) since_ = 0;
    if (flights_.empty() || !flights_.front().ready.happened()) return tell(false);
    if (since_ == 0) since_ = now;
    tell(now - since_ > visible);
  }
  void tell(bool waiting) {
    auto& b = activity_.blocked;
    if (waiting) {
      const Flight& f = flights_.front();
      b.sequence = f.sequence, b.exchange = f.exchange, b.op = f.op, b.since = since_;
      b.line = b.last = line_;
    } else if (told_) {
      b.line = -1;
    }
    told_ = waiting;
  }
  [[noreturn]] void give_up(const std::string& why) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds_to_say));
    const auto ending = Watchdog::end_process();
    ending.say(sentence("NCCL along '{}' failed: {}", label_, why));
    ncclCommAbort(comm_);
    ending.end();
    std::abort();  // not reached
  }

  ncclComm_t comm_;
  std::string label_;
  Activity& activity_;
  int line_, gpu_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable_any stopped_;
  std::deque<Flight> flights_;
  double since_ = 0;  // when the first of them was first seen to be ready and not done
  bool told_ = false;
  std::jthread thread_;
};

template <class Calls>
void as_one(const Calls& calls) {  // they begin together: none of them waits for another
  worked(ncclGroupStart(), "beginning a group");
  calls();
  worked(ncclGroupEnd(), "a group");
}

class Nccl final : public GpuRanks {
 public:
  Nccl(Communicator& line, Device& device, const ncclUniqueId& id)
      : line_(line), device_(device), me_(std::size_t(line.rank())), ranks_(std::size_t(line.size())) {
    worked(ncclCommInitRank(&comm_, line.size(), id, line.rank()), "meeting the other ranks");
    watch_ = std::make_unique<Watch>(comm_, line, device.index());
  }
  ~Nccl() override {
    const bool failed = std::uncaught_exceptions() > 0;  // the others may never come
    if (!failed) stream_->finish();
    watch_.reset();
    failed ? ncclCommAbort(comm_) : ncclCommDestroy(comm_);
  }
  Nccl(const Nccl&) = delete;
  Nccl& operator=(const Nccl&) = delete;

  std::shared_ptr<Work::State> start(Collective call) override {
    stream_->wait(device_.compute().mark());
    const Event ready = stream_->mark();
    issue(call);
    const Event done = stream_->mark();
    const Activity::Line& counts = line_.activity()->lines[std::size_t(line_.activity_line())];
    const bool messages = call.op == Op::exchange;
    watch_->add({ready, done, call.op, messages ? 0 : counts.begun.load(), messages ? counts.exchanges.load() : 0});
    return std::make_shared<Pending>(device_.compute(), done, std::move(call));
  }

 private:
  struct Pending final : Work::State {
    Stream& compute;
    Event done;
    Collective call;  // holds the tensors
    Pending(Stream& s, Event e, Collective c) : compute(s), done(std::move(e)), call(std::move(c)) {}
    void wait() override { compute.wait(done); }
  };

  void issue(const Collective& c) {
    check(c.reduce == Reduce::sum, "no maxima between GPUs");
    const std::byte* in = c.in.defined() ? c.in.raw() : nullptr;
    std::byte* out = c.out.defined() ? c.out.raw() : nullptr;
    switch (c.op) {
      case Op::all_reduce:
        return worked(
            ncclAllReduce(in, out, std::size_t(c.in.count()), type_of(c.in.dtype()), ncclSum, comm_, stream()),
            "all_reduce");
      case Op::reduce_to:
        return worked(
            ncclReduce(in, out, std::size_t(c.in.count()), type_of(c.in.dtype()), ncclSum, c.owner, comm_, stream()),
            "reduce_to");
      case Op::broadcast:
        return worked(ncclBroadcast(in, out, bytes(c, c.in.count()), ncclUint8, c.owner, comm_, stream()), "broadcast");
      case Op::all_gather:
        return gather(c, in, out);
      case Op::reduce_scatter:
        return scatter(c, in, out);
      case Op::all_to_all:
        return transpose(c, in, out);
      case Op::exchange:
        return as_one([&] {
          for (const Message& m : c.messages) {
            const auto size = std::size_t(m.body.count() * size_of(m.body.dtype()));
            if (m.send)
              send(m.body.raw(), size, m.peer);
            else
              receive(m.body.raw(), size, m.peer);
          }
        });
    }
  }
  void gather(const Collective& c, const std::byte* in, std::byte* out) {
    if (even(c)) return worked(ncclAllGather(in, out, bytes(c, c.counts[0]), ncclUint8, comm_, stream()), "all_gather");
    as_one([&] {
      for (std::size_t r = 0; r < ranks_; out += bytes(c, c.counts[r++]))
        if (c.counts[r] > 0)
          worked(ncclBroadcast(r == me_ ? in : out, out, bytes(c, c.counts[r]), ncclUint8, int(r), comm_, stream()),
                 "all_gather of uneven parts");
    });
  }
  void scatter(const Collective& c, const std::byte* in, std::byte* out) {
    const ncclDataType_t t = type_of(c.in.dtype());
    if (even(c))
      return worked(ncclReduceScatter(in, out, std::size_t(c.counts[0]), t, ncclSum, comm_, stream()),
                    "reduce_scatter");
    as_one([&] {
      for (std::size_t r = 0; r < ranks_; in += bytes(c, c.counts[r++]))
        if (c.counts[r] > 0)
          worked(ncclReduce(in, out, std::size_t(c.counts[r]), t, ncclSum, int(r), comm_, stream()),
                 "reduce_scatter of uneven parts");
    });
  }
  void transpose(const Collective& c, const std::byte* in, std::byte* out) {
    as_one([&] {
      for (std::size_t p = 0; p < ranks_; ++p) {
        const std::size_t there = bytes(c, c.counts[me_ * ranks_ + p]), here = bytes(c, c.counts[p * ranks_ + me_]);
        send(in, there, int(p)), receive(out, here, int(p));
        in += there, out += here;
      }
    });
  }
  void send(const std::byte* from, std::size_t size, int to) {
    if (size > 0) worked(ncclSend(from, size, ncclUint8, to, comm_, stream()), "a message");
  }
  void receive(std::byte* to, std::size_t size, int from) {
    if (size > 0) worked(ncclRecv(to, size, ncclUint8, from, comm_, stream()), "a message");
  }
  static bool even(const Collective& c) { return std::ranges::count(c.counts, c.counts[0]) == std::ssize(c.counts); }
  static std::size_t bytes(const Collective& c, std::int64_t count) {
    return std::size_t(count * size_of(c.out.dtype()));
  }
  cudaStream_t stream() const { return static_cast<cudaStream_t>(stream_->native()); }

  Communicator& line_;
  Device& device_;
  std::size_t me_, ranks_;
  std::unique_ptr<Stream> stream_ = device_.make_stream();
  ncclComm_t comm_{};
  std::unique_ptr<Watch> watch_;
};

// Different for any two GPUs of a job; empty for other devices.
std::string address_of(const Device& device) {
  if (device.backend() != Backend::cuda) return {};
  char bus[32] = {};
  check(cudaDeviceGetPCIBusId(bus, sizeof bus, device.index()) == cudaSuccess, "GPU {} has no address", device.index());
  return world_info().host + " " + bus;
}

}  // namespace

std::unique_ptr<GpuRanks> gpu_ranks(Communicator& line, Device& device) {
  const auto gpus = gathered(line, address_of(device));
  const std::set<std::string> different(gpus.begin(), gpus.end());
  if (line.size() < 2 || different.size() < gpus.size() || different.contains("")) return nullptr;
  ncclUniqueId id{};
  if (line.rank() == 0) worked(ncclGetUniqueId(&id), "asking for an id");
  const auto ids = gathered(line, line.rank() == 0 ? std::string(id.internal, sizeof id.internal) : std::string());
  std::memcpy(id.internal, ids[0].data(), sizeof id.internal);
  return std::make_unique<Nccl>(line, device, id);
}

std::string gpu_ranks_library() {
  int version = 0;
  worked(ncclGetVersion(&version), "asking for the version");
  return sentence("NCCL {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace lact
