// NCCL's calls as messages through shared memory.
#include <fcntl.h>
#include <nccl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr std::size_t ring_bytes = 64 << 10;
struct Ring {  // from one rank to one other
  std::atomic<std::uint64_t> written, read;
  char bytes[ring_bytes];
};
struct Shared {
  std::atomic<int> joined;
  Ring rings[1];  // [from * ranks + to]
};

std::size_t size_of(ncclDataType_t t) { return t == ncclUint8 ? 1 : t == ncclFloat64 ? 8 : 4; }

template <class T>
void add(char* to, const char* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) reinterpret_cast<T*>(to)[i] += reinterpret_cast<const T*>(from)[i];
}
void add(char* to, const char* from, std::size_t count, ncclDataType_t t) {
  if (t == ncclFloat64) return add<double>(to, from, count);
  t == ncclFloat32 ? add<float>(to, from, count) : add<std::int32_t>(to, from, count);
}

struct Part {  // bytes on their way to or from a rank
  int peer;
  char* at;
  std::size_t left;
};
struct Call {
  std::vector<Part> sends, receives;
  std::function<void()> then;  // when all of the group's parts have passed
};

}  // namespace

struct EmulatedComm {
  int rank = 0, ranks = 1;
  Shared* shared = nullptr;
  std::size_t bytes = 0;
  std::atomic<bool> aborted{false};

  Ring& ring(int from, int to) { return shared->rings[from * ranks + to]; }
  bool push(Part& p) {
    Ring& r = ring(rank, p.peer);
    const std::uint64_t at = r.written;
    const std::size_t n = std::min({p.left, ring_bytes - std::size_t(at - r.read), ring_bytes - at % ring_bytes});
    std::memcpy(r.bytes + at % ring_bytes, p.at, n);
    p.at += n, p.left -= n, r.written = at + n;
    return n > 0;
  }
  bool pull(Part& p) {
    Ring& r = ring(p.peer, rank);
    const std::uint64_t at = r.read;
    const std::size_t n = std::min({p.left, std::size_t(r.written - at), ring_bytes - at % ring_bytes});
    std::memcpy(p.at, r.bytes + at % ring_bytes, n);
    p.at += n, p.left -= n, r.read = at + n;
    return n > 0;
  }
  // All calls of a group at once; between two ranks the parts keep their order.
  void run(std::vector<Call>& calls) {
    std::vector<std::deque<Part>> out(static_cast<std::size_t>(ranks)), in(static_cast<std::size_t>(ranks));
    for (const Call& c : calls) {
      for (const Part& p : c.sends) out[std::size_t(p.peer)].push_back(p);
      for (const Part& p : c.receives) in[std::size_t(p.peer)].push_back(p);
    }
    for (bool open = true; open && !aborted;) {
      open = false;
      bool moved = false;
      auto go = [&](std::deque<Part>& queue, auto step) {
        while (!queue.empty() && ((this->*step)(queue.front()) || queue.front().left == 0)) {
          moved = true;
          if (queue.front().left == 0) queue.pop_front();
        }
        open = open || !queue.empty();
      };
      for (auto& q : out) go(q, &EmulatedComm::push);
      for (auto& q : in) go(q, &EmulatedComm::pull);
      if (!moved) sched_yield();
    }
    if (aborted) return;
    for (const Call& c : calls)
      if (c.then) c.then();
  }
};

namespace {

struct Group {
  int depth = 0;
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  std::vector<Call> calls;
};
thread_local Group group;

ncclResult_t flush() {
  if (group.calls.empty()) return ncclSuccess;
  auto calls = std::make_shared<std::vector<Call>>(std::move(group.calls));
  group.calls.clear();
  emulated::enqueue(group.stream, [comm = group.comm, calls] { comm->run(*calls); });
  return ncclSuccess;
}

ncclResult_t begin(ncclComm_t comm, cudaStream_t stream, Call call) {
  if (!group.calls.empty() && (group.comm != comm || group.stream != stream)) return ncclInvalidArgument;
  group.comm = comm, group.stream = stream;
  group.calls.push_back(std::move(call));
  return group.depth > 0 ? ncclSuccess : flush();
}

char* chars(const void* p) { return static_cast<char*>(const_cast<void*>(p)); }

// Everyone's numbers for rank `root`, or for all when it is -1, added up in the order of the ranks.
Call summed(ncclComm_t c, const void* from, void* to, std::size_t count, ncclDataType_t t, int root) {
  Call call;
  const std::size_t bytes = count * size_of(t);
  for (int r = 0; r < c->ranks; ++r)
    if (root < 0 || r == root) call.sends.push_back({r, chars(from), bytes});
  if (root >= 0 && root != c->rank) return call;
  auto all = std::make_shared<std::vector<char>>(bytes * std::size_t(c->ranks));
  for (int r = 0; r < c->ranks; ++r) call.receives.push_back({r, all->data() + std::size_t(r) * bytes, bytes});
  call.then = [all, bytes, count, t, to, ranks = c->ranks] {
    for (int r = 1; r < ranks; ++r) add(all->data(), all->data() + std::size_t(r) * bytes, count, t);
    std::memcpy(to, all->data(), bytes);
  };
  return call;
}

}  // namespace

const char* ncclGetErrorString(ncclResult_t r) { return r == ncclSuccess ? "no error" : "emulated error"; }
ncclResult_t ncclGetVersion(int* version) { return *version = 22809, ncclSuccess; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static int made = 0;
  *id = {};
  std::snprintf(id->internal, sizeof id->internal, "/emulated-nccl-%d-%d", int(getpid()), made++);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  auto* c = new EmulatedComm;
  c->rank = rank, c->ranks = ranks;
  c->bytes = sizeof(Shared) + sizeof(Ring) * std::size_t(ranks * ranks);
  const int file = shm_open(id.internal, O_CREAT | O_RDWR, 0600);
  if (file < 0 || ftruncate(file, off_t(c->bytes)) != 0) return ncclSystemError;
  void* memory = mmap(nullptr, c->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return ncclSystemError;
  c->shared = static_cast<Shared*>(memory);  // zeros, as the file was
  ++c->shared->joined;
  while (c->shared->joined < ranks) sched_yield();
  if (rank == 0) shm_unlink(id.internal);
  *comm = c;
  return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t c) {
  munmap(c->shared, c->bytes);
  delete c;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t c) { return c->aborted = true, ncclSuccess; }
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* status) { return *status = ncclSuccess, ncclSuccess; }
ncclResult_t ncclGroupStart() { return ++group.depth, ncclSuccess; }
ncclResult_t ncclGroupEnd() { return --group.depth > 0 ? ncclSuccess : flush(); }

ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t n, ncclDataType_t t, ncclRedOp_t, ncclComm_t c,
                           cudaStream_t s) {
  return begin(c, s, summed(c, from, to, n, t, -1));
}
ncclResult_t ncclReduce(const void* from, void* to, std::size_t n, ncclDataType_t t, ncclRedOp_t, int root,
                        ncclComm_t c, cudaStream_t s) {
  return begin(c, s, summed(c, from, to, n, t, root));
}
ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t n, ncclDataType_t t, int root, ncclComm_t c,
                           cudaStream_t s) {
  Call call;
  const std::size_t bytes = n * size_of(t);
  if (c->rank == root) {
    for (int r = 0; r < c->ranks; ++r)
      if (r != root) call.sends.push_back({r, chars(from), bytes});
    if (from != to) call.then = [=] { std::memmove(to, from, bytes); };
  } else {
    call.receives.push_back({root, chars(to), bytes});
  }
  return begin(c, s, std::move(call));
}
ncclResult_t ncclAllGather(const void* from, void* to, std::size_t n, ncclDataType_t t, ncclComm_t c, cudaStream_t s) {
  Call call;
  const std::size_t bytes = n * size_of(t);
  char* own = chars(to) + std::size_t(c->rank) * bytes;
  for (int r = 0; r < c->ranks; ++r) {
    if (r == c->rank) continue;
    call.sends.push_back({r, chars(from), bytes});
    call.receives.push_back({r, chars(to) + std::size_t(r) * bytes, bytes});
  }
  if (own != from) call.then = [=] { std::memmove(own, from, bytes); };
  return begin(c, s, std::move(call));
}
ncclResult_t ncclReduceScatter(const void* from, void* to, std::size_t n, ncclDataType_t t, ncclRedOp_t, ncclComm_t c,
                               cudaStream_t s) {
  Call all;
  for (int r = 0; r < c->ranks; ++r) {
    Call one = summed(c, chars(from) + std::size_t(r) * n * size_of(t), to, n, t, r);
    all.sends.insert(all.sends.end(), one.sends.begin(), one.sends.end());
    all.receives.insert(all.receives.end(), one.receives.begin(), one.receives.end());
    if (one.then) all.then = one.then;
  }
  return begin(c, s, std::move(all));
}
ncclResult_t ncclSend(const void* from, std::size_t n, ncclDataType_t t, int peer, ncclComm_t c, cudaStream_t s) {
  return begin(c, s, {{{peer, chars(from), n * size_of(t)}}, {}, {}});
}
ncclResult_t ncclRecv(void* to, std::size_t n, ncclDataType_t t, int peer, ncclComm_t c, cudaStream_t s) {
  return begin(c, s, {{}, {{peer, chars(to), n * size_of(t)}}, {}});
}
