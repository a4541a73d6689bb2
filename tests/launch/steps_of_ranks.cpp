// A run without a model, for tests of launchers and the watchdog: each step is a sum over all ranks, the checkpoint is
// the number of steps, signals stop it with 75 as they stop `lact train`, and one rank misbehaves once when asked to.
//
// usage: steps_of_ranks FOLDER STEPS TIMEOUT [RANK STEP kill|stop|leave_out|fail|exit]
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "base/check.hpp"
#include "base/log.hpp"
#include "parallel/world.hpp"

namespace lact {
namespace {

volatile sig_atomic_t stop_asked = 0;

struct Misdeed {
  int rank = -1, step = -1;
  std::string what;
};

void do_it(const std::string& what) {
  if (what == "kill") ::kill(::getpid(), SIGKILL);
  if (what == "stop") ::kill(::getpid(), SIGSTOP);
  if (what == "fail") fail("this rank was asked to fail");
  if (what == "exit") std::_Exit(3);
}

int run(const std::string& folder, int steps, double timeout, const Misdeed& misdeed) {
  const auto world = open_world({.timeout = timeout});
  const auto line = world->split(0, world->rank(), "cp");
  const auto device = Device::open(Backend::cpu);
  int done = 0;
  std::ifstream(folder + "/step") >> done;
  if (world->rank() == 0)
    std::cout << "begins at step " << done << " on " << world->size() << " ranks of " << world_info().hosts << " hosts"
              << std::endl;
  world->all_reduce(Tensor::zeros(*device, {1})).wait();  // everybody has read
  for (; done < steps;) {
    bool leaves_out = false;
    if (world->rank() == misdeed.rank && done == misdeed.step && !std::filesystem::exists(folder + "/done_once")) {
      std::ofstream(folder + "/done_once") << misdeed.what;
      do_it(misdeed.what);
      leaves_out = misdeed.what == "leave_out";
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const Tensor stop = Tensor::of(*device, {1}, std::vector<float>{float(stop_asked)});
    if (!leaves_out) line->all_reduce(stop, Reduce::max).wait();
    ++done;
    if (world->rank() == 0) {
      std::ofstream(folder + "/step.partial") << done;
      std::filesystem::rename(folder + "/step.partial", folder + "/step");
    }
    if (stop.item() > 0) return 75;
  }
  return 0;
}

}  // namespace
}  // namespace lact

int main(int count, char** words) {
  for (int signal : {SIGTERM, SIGUSR1}) ::signal(signal, [](int) { lact::stop_asked = 1; });
  try {
    if (count != 4 && count != 7) return 2;
    lact::Misdeed misdeed;
    if (count == 7) misdeed = {std::stoi(words[4]), std::stoi(words[5]), words[6]};
    return lact::run(words[1], std::stoi(words[2]), std::stod(words[3]), misdeed);
  } catch (const std::exception& e) {
    lact::log::error("{}", e.what());
    lact::abort_world(1);
    return 1;
  }
}
