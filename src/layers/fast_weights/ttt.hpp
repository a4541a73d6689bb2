// The large-chunk fast-weight layer of view synthesis (LaCT, arXiv 2505.23884; docs/math.md, 4.8).
#pragma once
#include "layers/fast_weights/run_plan.hpp"
#include "layers/linear.hpp"

namespace lact {

struct TttConfig {
  std::int64_t head_dim = 64;
  double inter_multi = 1;  // hidden width of the fast network, as a multiple of head_dim
  double base_lr = 0.01;
  std::int64_t muon_update_steps = 0;  // Newton-Schulz steps; 0 divides by the Frobenius norm only
  bool bias = false;
  CpMode cp_mode = CpMode::tokens;
};

// Over tp the heads are shared out where they divide over its ranks. Else the hidden width of every head is split:
// projections, rates and output norm then work on this rank's part of the tokens, q, k and v are gathered, outputs are
// summed.
class Ttt {
 public:
  Ttt(Scope s, std::int64_t dim, const TttConfig& cfg, InitScale init);
  struct Result {
    Var y;              // [b, rows applied, dim]; empty if the plan applies nothing
    FastWeights state;  // [b * heads, ...], item b * heads + h
  };
  // x [b, t, dim]. Starts from `initial` ([b * heads, ...]) or from the learned weights.
  Result operator()(Ctx& c, const Var& x, const TttPlan& plan, const FastWeights* initial = nullptr) const {
    return (*this)(c, x, plan, TokenLayout::whole(x.dim(1)), initial);
  }
  // x holds the rows of this rank, the plan speaks of the whole sequence.
  Result operator()(Ctx& c, const Var& x, const TttPlan& plan, const TokenLayout& tokens,
                    const FastWeights* initial = nullptr) const;

 private:
  FastWeights learned(Ctx& c, std::int64_t batch) const;
  FastWeightTokens project(Ctx& c, const Var& x, std::int64_t updating) const;  // keys and values of the first tokens

  bool hidden_split_;
  std::int64_t heads_, head_dim_;  // heads of this rank
  CpMode mode_;
  double rate_shift_;  // inverse softplus of base_lr
  FastWeightRule rule_;
  const Parameter &w0_, &w1_, &w2_;
  Linear to_qkv_, lr_fc_;
  RmsNorm o_norm_;
  Linear c_proj_;
};

}  // namespace lact
