// Which ranks run where, as the first lines of a run say it.
#include "parallel/launch/hosts.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace lact {
namespace {

Place place(const std::string& host, std::initializer_list<std::size_t> cores) {
  Place p;
  std::ranges::copy(host, p.host.begin());
  for (std::size_t c : cores) p.cores[c] = true;
  return p;
}

TEST(Hosts, RanksAreListedByHostAndEachCoreCountsOnce) {
  EXPECT_EQ(text_of({place("a", {0})}), "1 rank on 1 host: 0 on a (1 core)");
  EXPECT_EQ(text_of({place("a", {0, 1}), place("a", {0, 1}), place("b", {3}), place("b", {4})}),
            "4 ranks on 2 hosts: 0-1 on a (2 cores), 2-3 on b (2 cores)");
  EXPECT_EQ(text_of({place("a", {0}), place("b", {0}), place("a", {1}), place("a", {2})}),
            "4 ranks on 2 hosts: 0 2-3 on a (3 cores), 1 on b (1 core)");
}

TEST(Hosts, ThisProcessHasAHostAndACore) {
  const Place p = place_of_this_process();
  EXPECT_NE(p.host[0], '\0');
  EXPECT_EQ(p.host.back(), '\0') << "a long name is cut off, and ends";
  EXPECT_TRUE(p.cores.any());
}

}  // namespace
}  // namespace lact
