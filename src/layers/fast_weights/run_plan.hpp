// The machine that runs a plan of updates and applications on fast weights, whose tokens, heads or hidden width may lie
// on several ranks (docs/math.md, 4.4 to 4.7 and 10).
#pragma once
#include <functional>
#include <optional>
#include <string_view>

#include "layers/fast_weights/network.hpp"
#include "layers/fast_weights/newton_schulz.hpp"
#include "layers/token_layout.hpp"

namespace lact {

struct FastWeightRule {
  std::optional<NewtonSchulz> orthogonalise;  // none: the raw gradient is added
  bool detach_targets = true;                 // no gradient through the norms that the columns keep
  // The published minimal layer with Muon sets W = NS(G) + G, so that the first weights only matter through G and the
  // norms.
  bool forget_weights = false;
  // Updates add up in weights without a norm, and what is applied and differentiated are these with the norms of the
  // first weights ("pre-norm"). Otherwise each update ends with the norms.
  bool keep_sum = false;
  bool join_gates = false;   // W0 and W2 of a head are orthogonalised as one matrix, side by side
  double eps = 1e-5;         // added to the norm of a column,
  bool eps_in_root = false;  // or to its square, under the root
};

struct FastWeightRun {
  Var out;            // [B, sum of sizes, d]: the applied ranges, joined in plan order; empty if nothing was applied
  FastWeights state;  // after the last event
};

// What the events so far left behind, for those that follow in another call: of one rank's items.
struct FastWeightState {
  FastWeights applied;   // as state of a run
  FastWeights sum;       // before their norms; the same unless the rule is keep_sum
  FastWeights momentum;  // the last update with those before it; empty before the first, or without momentum
};

// What travels over cp: the sums of G, or the tokens of heads.
enum class CpMode : std::uint8_t { tokens, heads };
const char* name_of(CpMode mode);
std::optional<CpMode> cp_mode_named(std::string_view name);  // none for any other name

struct FastWeightLayout {               // how the work of a layer lies on ranks; by default one rank does it all
  const TokenLayout* tokens = nullptr;  // cp: x are the tokens of this rank; none: x is the whole sequence
  CpMode mode = CpMode::tokens;
  bool hidden_split = false;  // tp: W0 and W2 hold columns, W1 rows, and `out` is this rank's part of a sum over tp
};

// Sends all that tokens bring through `travel` ([B, rows, width] -> [., ., width]): everything of one type side by side
// in one piece. In f32 that is a single piece; in bf16 q, k and v are one and their f32 rates another.
FastWeightTokens travelled(const FastWeightTokens& x, const std::function<Var(const Var&)>& travel);

// Events in order with a running state. The columns keep the norms of the weights passed in. The plan speaks of the
// whole sequence; `out` has the rows of this rank's tokens. With `carried` the events go on from those before and are
// carried on; then neither tokens nor hidden width may lie on several ranks, and `initial` gives the norms alone.
FastWeightRun run_fast_weights(Ctx& c, const FastWeights& initial, const FastWeightTokens& x, const TttPlan& plan,
                               const FastWeightRule& rule, const FastWeightLayout& layout = {},
                               FastWeightState* carried = nullptr);

}  // namespace lact
