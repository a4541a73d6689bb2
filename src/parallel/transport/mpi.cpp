// MPI: ranks of one host share a window of memory, others send messages that never block. Owns MPI_Init and
// MPI_Finalize.
#include <mpi.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <list>
#include <optional>

#include "base/check.hpp"
#include "base/log.hpp"
#include "parallel/health/watchdog.hpp"
#include "parallel/launch/launcher.hpp"
#include "parallel/transport/gpu_ranks.hpp"
#include "parallel/transport/staged.hpp"
#include "parallel/transport/transfer.hpp"
#include "parallel/transport/window.hpp"
#include "parallel/world.hpp"

namespace lact {
namespace {

void ok(int status, const char* call) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(status, text, &length);
  fail("{} failed: {}", call, std::string_view(text, std::size_t(length)));
}

WorldInfo& info() {
  static WorldInfo world;
  return world;
}

// Bytes of every rank of a communicator, in order.
template <class T>
std::vector<T> of_all_processes(MPI_Comm comm, const T& mine) {
  int size = 1;
  MPI_Comm_size(comm, &size);
  std::vector<T> all(static_cast<std::size_t>(size));
  ok(MPI_Allgather(&mine, sizeof(T), MPI_BYTE, all.data(), sizeof(T), MPI_BYTE, comm), "MPI_Allgather");
  return all;
}

std::string library_version() {  // "Open MPI v4.1.4": what comes before the packager's words
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string all(text, std::size_t(length));
  return all.substr(0, all.find_first_of(",\n"));
}

// MPI of this process, from MPI_Init to MPI_Finalize, and the memory that the ranks of this host share.
class Job {
 public:
  Job(const Launch& launch, Patience patience);
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  MPI_Comm world() const { return world_; }

  struct Place {  // of one rank's arena; exchanged when a communicator is made
    int host = 0, local_rank = 0, arena = -1;
    std::uint64_t pieces = 0;
  };
  Place claim_arena();
  // `left`: numbers of the pieces that the others must have taken before the arena may be used again.
  void release_arena(int arena, std::vector<std::byte*> others, std::uint64_t left);
  std::byte* arena(int local_rank, int index) const {
    return bases_[std::size_t(local_rank)] + std::size_t(index) * Window::arena_bytes;
  }

  Activity activity;
  ProgressEngine progress;

 private:
  void share_memory();
  Meeting meet(const Launch& launch);
  struct Free {
    int arena;
    std::vector<std::byte*> others;
    std::uint64_t left;
  };
  MPI_Comm world_ = MPI_COMM_NULL, host_ = MPI_COMM_NULL;
  MPI_Win window_ = MPI_WIN_NULL;
  int host_number_ = 0, local_rank_ = 0;
  std::vector<std::byte*> bases_;  // by local rank
  std::list<Free> free_;
  std::optional<Watchdog> watchdog_;  // until after MPI
};

Job::Job(const Launch& launch, Patience patience) {
  int initialised = 0, level = 0;
  MPI_Initialized(&initialised);
  check(!initialised, "MPI can be started once per process, and was started before");
  ok(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level), "MPI_Init_thread");
  ok(MPI_Comm_dup(MPI_COMM_WORLD, &world_), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(world_, MPI_ERRORS_RETURN);
  WorldInfo& w = info();
  MPI_Comm_rank(world_, &w.rank);
  MPI_Comm_size(world_, &w.ranks);
  w.library = library_version();
  check_that_mpi_knows(launch, w.ranks, w.library);
  ok(MPI_Comm_split_type(world_, MPI_COMM_TYPE_SHARED, w.rank, MPI_INFO_NULL, &host_), "MPI_Comm_split_type");
  MPI_Comm_set_errhandler(host_, MPI_ERRORS_RETURN);
  MPI_Comm_rank(host_, &w.local_rank);
  MPI_Comm_size(host_, &w.local_ranks);
  local_rank_ = w.local_rank;
  host_number_ = w.rank;  // a host is known by its first rank
  ok(MPI_Bcast(&host_number_, 1, MPI_INT, 0, host_), "MPI_Bcast");
  const auto hosts = of_all_processes(world_, host_number_);
  w.hosts = 0;
  for (std::size_t r = 0; r < hosts.size(); ++r) w.hosts += hosts[r] == int(r);
  watchdog_.emplace(w.rank, w.ranks, meet(launch), activity, patience);
  char name[MPI_MAX_PROCESSOR_NAME];
  int length = 0;
  MPI_Get_processor_name(name, &length);
  w.host = std::string(name, std::size_t(length));
  w.thread_level = level == MPI_THREAD_MULTIPLE     ? "multiple"
                   : level == MPI_THREAD_SERIALIZED ? "serialized"
                                                    : "funneled";
  w.places = of_all_processes(world_, place_of_this_process());
  w.activity = &activity;
  share_memory();
}

// Where the watchdogs meet: on the loopback of the one host, or on the interfaces that lead to the others.
Meeting Job::meet(const Launch& launch) {
  const bool one_host = info().hosts == 1;
  const auto hosts = of_all_processes(world_, one_host ? HostAddresses{} : addresses_of_this_host());
  Meeting m;
  if (info().rank == 0)
    m = Meeting::open(one_host ? std::vector{loopback()} : addresses_towards(hosts, launch.status_address));
  ok(MPI_Bcast(&m.invitation, sizeof m.invitation, MPI_BYTE, 0, world_), "MPI_Bcast");
  return m;
}

// How many arenas per rank fit into the memory that the host shares; containers often have little. Asked before, since
// Open MPI waits for ever where one rank cannot make its part of a window.
int arenas_that_fit(int local_ranks) {
  struct statvfs space {};
  if (statvfs("/dev/shm", &space) != 0) return 16;  // it takes a folder of its own then
  const double free = 0.9 * double(space.f_bavail) * double(space.f_frsize);
  for (int arenas : {16, 4})
    if (double(local_ranks) * arenas * double(Window::arena_bytes) < free) return arenas;
  log::warning("/dev/shm has {} MB left, too little for {} ranks: they send messages instead", std::int64_t(free) >> 20,
               local_ranks);
  return 0;
}

void Job::share_memory() {
  int local_ranks = 1;
  MPI_Comm_size(host_, &local_ranks);
  int arenas = local_ranks > 1 && local_rank_ == 0 ? arenas_that_fit(local_ranks) : 0;
  ok(MPI_Bcast(&arenas, 1, MPI_INT, 0, host_), "MPI_Bcast");
  if (arenas == 0) return;
  MPI_Info apart;
  MPI_Info_create(&apart);
  MPI_Info_set(apart, "alloc_shared_noncontig", "true");
  void* base = nullptr;
  ok(MPI_Win_allocate_shared(MPI_Aint(std::size_t(arenas) * Window::arena_bytes), 1, apart, host_, &base, &window_),
     "MPI_Win_allocate_shared");
  MPI_Info_free(&apart);
  for (int r = 0; r < local_ranks; ++r) {
    MPI_Aint size = 0;
    int unit = 0;
    ok(MPI_Win_shared_query(window_, r, &size, &unit, &base), "MPI_Win_shared_query");
    bases_.push_back(static_cast<std::byte*>(base));
  }
  for (int a = 0; a < arenas; ++a) {
    new (arena(local_rank_, a)) Window::Counters{};
    free_.push_back({a, {}, 0});
  }
  ok(MPI_Barrier(host_), "MPI_Barrier");
}

Job::~Job() {
  if (std::uncaught_exceptions() > 0) return;  // this rank failed: abort_world() follows, the others do not come here
  if (window_ != MPI_WIN_NULL) MPI_Win_free(&window_);
  MPI_Comm_free(&host_);
  MPI_Comm_free(&world_);
  MPI_Finalize();
}

Job::Place Job::claim_arena() {
  Place mine{host_number_, local_rank_, -1, 0};
  auto ready = [](const Free& f) {
    return std::ranges::all_of(f.others, [&](std::byte* a) { return Window::counters(a).taken >= f.left; });
  };
  const auto found = std::ranges::find_if(free_, ready);
  if (found == free_.end()) return mine;
  mine.arena = found->arena;
  free_.erase(found);
  mine.pieces = Window::counters(arena(local_rank_, mine.arena)).taken;
  return mine;
}

void Job::release_arena(int index, std::vector<std::byte*> others, std::uint64_t left) {
  free_.push_back({index, std::move(others), left});
}

class MpiWire final : public Wire {
 public:
  MpiWire(MPI_Comm comm, int tag) : comm_(comm), tag_(tag) {}
  void send(const std::byte* from, std::int64_t bytes, int to) override {
    for (; bytes > 0; from += largest, bytes -= largest)
      ok(MPI_Isend(from, int(std::min(bytes, largest)), MPI_BYTE, to, tag_, comm_, &requests_.emplace_back()),
         "MPI_Isend");
  }
  void receive(std::byte* to, std::int64_t bytes, int from) override {
    for (; bytes > 0; to += largest, bytes -= largest)
      ok(MPI_Irecv(to, int(std::min(bytes, largest)), MPI_BYTE, from, tag_, comm_, &requests_.emplace_back()),
         "MPI_Irecv");
  }
  bool idle() override {
    int all = 0;
    ok(MPI_Testall(int(requests_.size()), requests_.data(), &all, MPI_STATUSES_IGNORE), "MPI_Testall");
    if (all) requests_.clear();
    return all != 0;
  }

 private:
  static constexpr std::int64_t largest = std::int64_t(1) << 30;  // MPI counts bytes in int
  MPI_Comm comm_;
  int tag_;
  std::vector<MPI_Request> requests_;
};

class MpiCommunicator final : public Communicator, public ProgressEngine::Source {
 public:
  // Takes the communicator over. Collective.
  MpiCommunicator(std::shared_ptr<Job> job, MPI_Comm comm, std::string label, Transport transport)
      : Communicator(std::move(label), &job->activity, ranks_in_world(*job, comm)),
        job_(std::move(job)),
        comm_(comm),
        asked_(transport) {
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm_, &rank_);
    MPI_Comm_size(comm_, &size_);
    if (asked_ == Transport::best) open_window();
    job_->progress.add(*this);
  }
  ~MpiCommunicator() override {
    job_->progress.remove(*this);
    const std::uint64_t left = window_ ? window_->pieces() : 0;
    window_.reset();
    if (std::uncaught_exceptions() > 0) return;
    if (arena_ >= 0) job_->release_arena(arena_, arenas_, left);
    MPI_Comm_free(&comm_);
  }
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const char* transport() const override { return gpus_ ? "nccl" : window_ ? "window" : "messages"; }
  bool sums_along_tree() const override { return gpus_ == nullptr; }
  void meet_on(Device& device) override { gpus_ = gpu_ranks(*this, device); }
  std::unique_ptr<Communicator> split(int color, int key, const std::string& label) override {
    return split(color, key, label, asked_);
  }
  std::unique_ptr<Communicator> split(int color, int key, const std::string& label, Transport transport) {
    MPI_Comm part = MPI_COMM_NULL;
    ok(MPI_Comm_split(comm_, color, key, &part), "MPI_Comm_split");
    int size = 1;
    MPI_Comm_size(part, &size);
    if (size > 1) {
      auto line = std::make_unique<MpiCommunicator>(job_, part, label, transport);
      line->compare_calls(compares_calls());
      return line;
    }
    MPI_Comm_free(&part);
    return self_communicator(label);
  }

  bool poll() override {
    bool moved = false;
    for (auto& t : transfers_) moved = t->advance() || moved;
    std::erase_if(transfers_, [](const auto& t) { return t->done(); });
    return moved;
  }

 protected:
  std::shared_ptr<Work::State> start(Collective call) override {
    if (Staged::needed(call) && gpus_ && call.reduce == Reduce::sum) return gpus_->start(std::move(call));
    if (Staged::needed(call))
      return std::make_shared<Staged>(std::move(call), [this](Collective c) { return start(c); });
    const bool messages = call.op == Op::exchange;
    if (window_ && !messages) return window_->begin(std::move(call));
    // Calls in flight are told apart by their tag; messages of exchanges follow each other between two ranks.
    const int tag = messages ? 0 : 1 + int(calls_++ % 32000);
    auto transfer = std::make_shared<Transfer>(std::make_unique<MpiWire>(comm_, tag), rank_, size_, std::move(call));
    transfers_.push_back(transfer);
    job_->progress.poll();
    return std::make_shared<Waiting>(job_, std::move(transfer));
  }

 private:
  struct Waiting final : Work::State {
    std::shared_ptr<Job> job;
    std::shared_ptr<Transfer> transfer;
    Waiting(std::shared_ptr<Job> s, std::shared_ptr<Transfer> t) : job(std::move(s)), transfer(std::move(t)) {}
    void wait() override {
      job->progress.until([this] { return transfer->done(); });
    }
  };
  static std::vector<int> ranks_in_world(const Job& job, MPI_Comm comm) {
    int mine = 0;
    MPI_Comm_rank(job.world(), &mine);
    return of_all_processes(comm, mine);
  }
  void open_window() {
    const auto places = of_all_processes(comm_, job_->claim_arena());
    const Job::Place& mine = places[std::size_t(rank_)];
    const bool possible =
        std::ranges::all_of(places, [&](const auto& p) { return p.arena >= 0 && p.host == places.front().host; });
    if (!possible) {
      if (mine.arena >= 0) job_->release_arena(mine.arena, {}, 0);
      return;
    }
    std::uint64_t first = 0;
    for (const auto& p : places) {
      arenas_.push_back(job_->arena(p.local_rank, p.arena));
      first = std::max(first, p.pieces);
    }
    arena_ = mine.arena;
    window_ = std::make_unique<Window>(job_->progress, rank_, arenas_, first);
  }

  std::shared_ptr<Job> job_;
  MPI_Comm comm_;
  Transport asked_;
  int rank_ = 0, size_ = 1, arena_ = -1;
  std::uint64_t calls_ = 0;
  std::vector<std::byte*> arenas_;
  std::unique_ptr<Window> window_;
  std::unique_ptr<GpuRanks> gpus_;
  std::vector<std::shared_ptr<Transfer>> transfers_;
};

}  // namespace

std::unique_ptr<Communicator> open_world(Patience patience) {
  if (!started_as_a_rank()) {
    info().places = {place_of_this_process()};
    info().host = info().places.front().host.data();
    return self_communicator("world");
  }
  const Launch launch = launch_of();
  log::set_rank(launch.rank, launch.ranks);
  auto job = std::make_shared<Job>(launch, patience);
  MPI_Comm world = MPI_COMM_NULL;
  ok(MPI_Comm_dup(job->world(), &world), "MPI_Comm_dup");
  if (info().ranks > 1) return std::make_unique<MpiCommunicator>(job, world, "world", Transport::best);
  MPI_Comm_free(&world);
  return self_communicator("world");
}

const WorldInfo& world_info() { return info(); }

void abort_world(int status) {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  if (started && !ended && info().ranks > 1) MPI_Abort(MPI_COMM_WORLD, status);
}

std::unique_ptr<Communicator> with_transport(Communicator& c, Transport t, const std::string& label) {
  auto* mpi = dynamic_cast<MpiCommunicator*>(&c);
  return mpi ? mpi->split(0, c.rank(), label, t) : c.split(0, c.rank(), label);
}

}  // namespace lact
