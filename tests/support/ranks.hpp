// What tests of several ranks share: the world, numbers that every rank can compute for every other, and delays.
#pragma once
#include <cstdlib>

#include "parallel/world.hpp"

namespace lact {

// What LACT_TEST_DEVICE names, else the CPU; tests/CMakeLists.txt starts programs once for each.
inline Backend tested_backend() {
  const char* name = std::getenv("LACT_TEST_DEVICE");
  return backend_named(name == nullptr ? "cpu" : name);
}
Communicator& world();  // of the test program: the ranks that ctest started
// A pause of up to `most` milliseconds that depends on the rank and on how often it was called.
void dawdle(Communicator& c, double most = 2);

}  // namespace lact
