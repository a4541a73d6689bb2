// What tests of several ranks share: the world, numbers that every rank can compute for every other, and delays.
#pragma once
#include "parallel/world.hpp"

namespace lact {

Communicator& world();  // of the test program: the ranks that ctest started
// A pause of up to `most` milliseconds that depends on the rank and on how often it was called.
void dawdle(Communicator& c, double most = 2);

}  // namespace lact
