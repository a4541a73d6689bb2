// Sums over ranks with the same bits for every power-of-two number of ranks.
#pragma once
#include "parallel/communicator.hpp"

namespace lact {

// inout = the sum over ranks along the binary tree over rank numbers, on every transport. If each rank brings the sum
// of its own numbers along the binary tree over equally many slots (a power of two), the result does not depend on how
// many ranks the slots are spread over, as long as that is a power of two. f32 and f64.
void tree_sum(Tensor inout, Communicator& c);

}  // namespace lact
