// Trades memory for a second forward pass (Chen et al. 2016): only the inputs are kept.
#pragma once
#include "autograd/tape.hpp"

namespace lact {

// Runs the body on plain values, records one node; its pullback runs the body again on a private tape and pulls back.
// Parameters need no special case: the body draws its own leaves from the tape it is given. Differentiable once.
using Body = std::function<std::vector<Var>(Tape* tape, std::span<const Var> inputs)>;
std::vector<Var> checkpoint(Tape* tape, std::vector<Var> inputs, Body body);

}  // namespace lact
