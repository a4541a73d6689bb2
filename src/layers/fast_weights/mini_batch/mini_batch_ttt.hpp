// TTT-Linear and TTT-MLP (arXiv 2407.04620; docs/math.md, section 14): layers whose fast weights learn in mini-batches
// of some sixteen tokens. Names of parameters and of keys are the original's.
#pragma once
#include "base/config.hpp"
#include "layers/fast_weights/mini_batch/inner_loop.hpp"
#include "layers/linear.hpp"
#include "layers/token_layout.hpp"

namespace lact {

struct MiniBatchTttConfig {
  std::string ttt_layer_type = "linear";
  std::int64_t num_attention_heads = 4, mini_batch_size = 16;
  double ttt_base_lr = 1, rope_theta = 10000;
  bool share_qk = false, use_gate = false;
  std::int64_t conv_kernel = 4, scan_checkpoint_group_size = 0;
  void fields(Fields& f);
  void check_values(std::int64_t dim) const;  // impossible values are named
};

// Over tp the heads are shared out, and those of a rank of tp once more over cp, each with all tokens of the sequence;
// norm, gate and output map work on this rank's part of the tokens. Every rank has a head.
class MiniBatchTtt {
 public:
  static constexpr double eps = 1e-6;  // of both norms

  MiniBatchTtt(Scope s, std::int64_t dim, const MiniBatchTttConfig& cfg);

  // What goes on from one call to the next, of this rank's heads.
  struct State {
    MiniBatchState inner;
    Var seen;  // [b, conv_kernel, channels]: the last inputs of the convolutions, oldest first; empty without share_qk
  };
  State initial(Ctx& c, std::int64_t batch) const { return of_all_heads().initial(c, batch); }

  struct Result {
    Var y;  // [b, t, dim]
    State state;
  };
  // x [b, t, dim], all tokens of a sequence; goes on from `before`, or begins.
  Result operator()(Ctx& c, const Var& x, const State* before = nullptr) const;
  // x holds the rows of this rank. With a state the sequence goes on from it, or begins where it is empty, and it is
  // carried on: with a layout whose ranks of cp all hold everything.
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens, State* state = nullptr) const;
  // The same numbers token by token, as a decoder makes them.
  Result token_by_token(Ctx& c, const Var& x, const State* before = nullptr) const;

  // The parts of a call, one after the other.
  MiniBatchTokens project(Ctx& c, const Var& x, State& state) const;  // rotated q and k; moves `seen` on
  MiniBatchRule rule(Ctx& c, std::int64_t batch) const { return of_all_heads().rule(c, batch); }
  Var normed(Ctx& c, const Var& q, const Var& z, std::int64_t batch) const {  // q + norm(z), [b, t, channels]
    return of_all_heads().normed(c, q, z, batch);
  }
  Var output(Ctx& c, const Var& o, const Var& rows) const;  // post-norm, gate, output map

 private:
  struct Projections {
    Var q, k, v, rate;  // [b, t, heads * head_dim], rate [b, t, heads]; k is empty with share_qk
  };
  struct OfHeads {  // the layer's inner part, of some of this rank's heads
    const MiniBatchTtt& layer;
    Range heads;
    State initial(Ctx& c, std::int64_t batch) const;
    MiniBatchTokens tokens(Ctx& c, const Projections& p, State& state) const;
    MiniBatchRule rule(Ctx& c, std::int64_t batch) const;
    Var normed(Ctx& c, const Var& q, const Var& z, std::int64_t batch) const;
    Result run(Ctx& c, const Projections& p, const State* before, bool products) const;  // y before the post-norm
    Var parameter(Ctx& c, const Parameter& p) const;                                     // [heads, ...]
    Var channels(Ctx& c, const Parameter& p) const;                                      // [heads * head_dim, ...]
  };
  OfHeads of_all_heads() const { return {*this, {0, heads_}}; }
  Projections projections(Ctx& c, const Var& x) const;
  Result call(Ctx& c, const Var& x, const State* before, bool products) const;
  // Over cp each rank runs its heads on the whole sequence: [b, held, channels of this rank of tp].
  Var by_heads(Ctx& c, const Projections& mine, const TokenLayout& tokens) const;

  struct Affine {
    const Parameter &weight, &bias;
  };

  MiniBatchTttConfig cfg_;
  std::int64_t heads_, head_dim_;  // heads of this rank
  const Parameter &w1_, &b1_, *w2_ = nullptr, *b2_ = nullptr;
  Affine rate_, inner_norm_, post_norm_;
  const Parameter& token_idx_;
  Linear q_proj_;
  std::optional<Linear> k_proj_;
  Linear v_proj_, o_proj_;
  std::optional<Linear> g_proj_;
  std::optional<Affine> conv_q_, conv_k_;  // [dim, 1, conv_kernel], [dim]
};

}  // namespace lact
