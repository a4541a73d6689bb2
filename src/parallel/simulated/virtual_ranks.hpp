// More ranks than processes: each process plays some of them, a thread for each. A layout of virtual ranks gives the
// same bits on however many processes it is played, since sums run along the tree over virtual ranks; that is how
// train.deterministic keeps its promise. For tests and audits: every call brings all ranks together and copies.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "parallel/communicator.hpp"

namespace lact {

// Runs `body` on a thread for each of the ranks `mine`; together the processes play the ranks 0 to `ranks` - 1, each
// once. `world` lives as long as its body. All ranks call the same collectives in the same order, on lines that are
// alike, and messages between ranks count as one collective. An error of one body ends the others; it is thrown here.
void play_ranks(Communicator& processes, int ranks, const std::vector<int>& mine,
                const std::function<void(std::unique_ptr<Communicator> world)>& body);

}  // namespace lact
