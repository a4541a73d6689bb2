// Collectives of ranks on one host through memory that all of them see. Each rank has an arena: three counters and four
// slots. A call is cut into pieces of a slot; every rank writes what the others need into its own slot, and each reads
// what it needs from theirs, so numbers are copied in once, reduced in slices by all ranks at once, and copied out
// once.
//
//   all_reduce, 3 ranks: rank 1 posts slices 0 and 2, reduces slice 1 of all, takes slices 0 and 2 where they were
//   reduced. The pieces of several calls follow each other through the slots in the order of the calls.
#pragma once
#include <atomic>
#include <deque>

#include "parallel/communicator.hpp"
#include "parallel/transport/progress_engine.hpp"

namespace lact {

class Window final : public ProgressEngine::Source {
 public:
  struct Counters {  // pieces since the arena exists; never goes back
    alignas(64) std::atomic<std::uint64_t> posted, reduced, taken;
  };
  static constexpr std::size_t slots = 4, slot_bytes = 128u << 10, control_bytes = 4096;
  static constexpr std::size_t arena_bytes = control_bytes + slots * slot_bytes;
  static Counters& counters(std::byte* arena) { return *reinterpret_cast<Counters*>(arena); }

  // arenas: of every rank in order; first: the number of the first piece, the same on all ranks.
  Window(ProgressEngine& progress, int rank, std::vector<std::byte*> arenas, std::uint64_t first);
  ~Window() override { progress_.remove(*this); }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  std::shared_ptr<Work::State> begin(Collective call);
  bool poll() override;
  std::uint64_t pieces() const { return begun_; }  // the number of the next one

 private:
  struct Job;
  class Waiting;
  Job& job_of(std::uint64_t piece) const;
  std::byte* slot(std::size_t rank, std::uint64_t piece) const;
  bool all_reached(std::atomic<std::uint64_t> Counters::*counter, std::uint64_t count) const;
  void post(const Job& job, std::uint64_t piece) const;
  void reduce_slice(const Job& job, std::uint64_t piece) const;
  void take(const Job& job, std::uint64_t piece) const;
  void take_reduced(const Job& job, std::uint64_t piece) const;
  void add_up(const Job& job, std::uint64_t piece, std::byte* to, const std::byte* own, std::size_t at,
              std::int64_t count) const;

  ProgressEngine& progress_;
  std::size_t me_;
  std::vector<std::byte*> arenas_;
  std::deque<std::shared_ptr<Job>> jobs_;  // not yet taken in full
  std::uint64_t begun_, posted_, reduced_, taken_;
};

}  // namespace lact
