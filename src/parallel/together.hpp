// Things that all ranks do or refuse together.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"

namespace lact {

// The texts, or the numbers, of all ranks in rank order; each as long as its rank likes. Collective.
std::vector<std::string> gathered(Communicator& c, const std::string& mine);
std::vector<std::vector<std::uint64_t>> gathered(Communicator& c, const std::vector<std::uint64_t>& mine);

// The list of the first rank, on all of them. No entry may hold a zero byte. Collective.
std::vector<std::string> same_everywhere(Communicator& c, const std::vector<std::string>& mine);

// Runs `part`, which must not communicate, on every rank; if it fails on any, all ranks throw the sentence of the
// lowest that failed. Collective.
void together(Communicator& c, const std::function<void()>& part);

}  // namespace lact
