// A call on a muted communicator: what it leaves on a rank without the others.
#pragma once
#include "parallel/communicator.hpp"

namespace lact {

// This rank's own part is put where it belongs. What others would have sent reads as zeros, or stays as it was where
// the call works in place: numbers stay finite, and none becomes so small that arithmetic on it is slow.
void answer_alone(const Collective& call, int rank, int ranks);

}  // namespace lact
