// What a call leaves on a rank whose others stay silent.
#pragma once
#include "parallel/communicator.hpp"

namespace lact {

// This rank's own part is where it belongs. What others would have sent reads as zeros, or stays as it was where the
// call works in place: numbers stay finite, and no arithmetic on them is slow.
void answer_alone(const Collective& call, int rank, int ranks);

}  // namespace lact
