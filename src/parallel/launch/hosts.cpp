#include "parallel/launch/hosts.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/check.hpp"
#include "base/cores.hpp"

namespace lact {
namespace {

// 0 1 2 5 as "0-2 5"
std::string ranges(const std::vector<int>& sorted) {
  std::string text;
  for (std::size_t i = 0, last = 0; i < sorted.size(); i = last + 1) {
    for (last = i; last + 1 < sorted.size() && sorted[last + 1] == sorted[last] + 1;) ++last;
    text += (text.empty() ? "" : " ") + std::to_string(sorted[i]);
    if (last > i) text += "-" + std::to_string(sorted[last]);
  }
  return text;
}

std::string counted(std::size_t n, const char* what) { return sentence("{} {}{}", n, what, n == 1 ? "" : "s"); }

}  // namespace

Place place_of_this_process() {
  Place p;
  ::gethostname(p.host.data(), p.host.size() - 1);
  for (const int usable : usable_threads()) {
    const auto thread = std::size_t(usable);
    if (thread >= p.cores.size()) break;
    std::size_t core = thread;
    std::ifstream("/sys/devices/system/cpu/cpu" + std::to_string(thread) + "/topology/thread_siblings_list") >> core;
    p.cores[std::min(core, thread)] = true;  // the file is a list such as 3,67
  }
  return p;
}

std::string text_of(const std::vector<Place>& places) {
  struct Host {
    std::string name;
    std::vector<int> ranks;
    std::bitset<1024> cores;
  };
  std::vector<Host> hosts;
  for (std::size_t r = 0; r < places.size(); ++r) {
    const std::string name = places[r].host.data();
    auto h = std::ranges::find(hosts, name, &Host::name);
    if (h == hosts.end()) h = hosts.insert(h, {name, {}, {}});
    h->ranks.push_back(int(r));
    h->cores |= places[r].cores;
  }
  std::string text = counted(places.size(), "rank") + " on " + counted(hosts.size(), "host");
  const char* before = ": ";
  for (const Host& h : hosts) {
    text += before + ranges(h.ranks) + " on " + h.name + " (" + counted(h.cores.count(), "core") + ")";
    before = ", ";
  }
  return text;
}

}  // namespace lact
