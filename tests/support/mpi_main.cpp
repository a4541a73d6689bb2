// GoogleTest's main for a program of several ranks. All ranks run every test; rank 0 prints, with the findings of the
// others and their rank; a test fails where any rank fails, and takes a minute at most.
#include <gtest/gtest.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iostream>

#include "support/ranks.hpp"

namespace lact {
namespace {

constexpr unsigned most_seconds = 60;
std::unique_ptr<Communicator> the_world;
char running[256];  // what the signal handler prints

void too_late(int) {
  constexpr char said[] = " took more than a minute on a rank; all ranks end\n";
  const auto written =
      write(STDERR_FILENO, running, std::strlen(running)) + write(STDERR_FILENO, said, sizeof(said) - 1);
  _exit(written > 0 ? 1 : 2);
}

// Texts of all ranks on rank 0.
std::vector<std::string> collected(const std::string& mine) {
  int ranks = the_world->size();
  if (ranks == 1) return {mine};
  std::vector<int> sizes(static_cast<std::size_t>(ranks)), at;
  const int size = int(mine.size());
  MPI_Allgather(&size, 1, MPI_INT, sizes.data(), 1, MPI_INT, MPI_COMM_WORLD);
  int all = 0;
  for (int s : sizes) at.push_back(all), all += s;
  std::string text(std::size_t(all), ' ');
  MPI_Allgatherv(mine.data(), size, MPI_CHAR, text.data(), sizes.data(), at.data(), MPI_CHAR, MPI_COMM_WORLD);
  std::vector<std::string> texts;
  for (std::size_t r = 0; r < sizes.size(); ++r)
    texts.push_back(text.substr(std::size_t(at[r]), std::size_t(sizes[r])));
  return texts;
}

class OneReport final : public testing::EmptyTestEventListener {
 public:
  bool failed() const { return failed_; }
  void OnTestStart(const testing::TestInfo& t) override {
    said_.clear();
    const std::string name = name_of(t);
    std::strncpy(running, name.c_str(), sizeof(running) - 1);
    if (the_world->rank() == 0) std::cout << "[ RUN      ] " << name << std::endl;
    alarm(most_seconds);
  }
  void OnTestPartResult(const testing::TestPartResult& r) override {
    if (!r.failed()) return;
    said_ += std::string(r.file_name() ? r.file_name() : "?") + ":" + std::to_string(r.line_number()) + ": " +
             r.message() + "\n";
  }
  void OnTestEnd(const testing::TestInfo& t) override {
    const auto said = collected(said_);
    alarm(0);
    const bool bad = std::ranges::any_of(said, [](const auto& s) { return !s.empty(); });
    failed_ = failed_ || bad;
    if (the_world->rank() != 0) return;
    for (std::size_t r = 0; r < said.size(); ++r)
      if (!said[r].empty()) std::cout << "[rank " << r << "] " << said[r];
    std::cout << (bad ? "[  FAILED  ] " : "[       OK ] ") << name_of(t) << " (" << t.result()->elapsed_time() << " ms)"
              << std::endl;
  }

 private:
  static std::string name_of(const testing::TestInfo& t) { return std::string(t.test_suite_name()) + "." + t.name(); }
  std::string said_;
  bool failed_ = false;
};

}  // namespace

Communicator& world() { return *the_world; }

void dawdle(Communicator& c, double most) {
  static unsigned calls = 0;
  unsigned x = (++calls * 2654435761u) ^ (unsigned(c.rank() + 1) * 2246822519u);
  x ^= x >> 15, x *= 2246822519u, x ^= x >> 13;
  usleep(unsigned(most * 1000 * (x % 1000) / 1000));
}

}  // namespace lact

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::signal(SIGALRM, lact::too_late);
  lact::the_world = lact::open_world();
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  auto* report = new lact::OneReport;  // the listeners own it
  listeners.Append(report);
  const int mine = RUN_ALL_TESTS();
  const int status = mine != 0 || report->failed() ? 1 : 0;
  lact::the_world.reset();
  return status;
}
