// Linear attention whose memory changes token by token or chunk by chunk: what large chunks are compared with at one
// size of state (LaCT, arXiv 2505.23884; docs/math.md, 15.7).
#pragma once
#include "base/config.hpp"
#include "layers/linear.hpp"
#include "layers/token_layout.hpp"

namespace lact {

struct LinearAttentionConfig {
  std::int64_t num_heads = 4;
  double expand_k = 1, expand_v = 1;
  std::int64_t chunk_size = 1;
  double norm_eps = 1e-5;
  void fields(Fields& f);
  void check_values(std::int64_t dim) const;  // impossible values are named
};

struct LinearAttentionState {
  Var memory;                // [b, heads of this rank, key channels, value channels], up to the last border of a chunk
  Var open;                  // likewise, of the tokens behind it; empty where every token is a chunk
  std::int64_t waiting = 0;  // so many
};

// Parameters q_proj, k_proj, v_proj, o_norm, o_proj.
class ChunkedLinearAttention {
 public:
  using State = LinearAttentionState;

  ChunkedLinearAttention(Scope s, std::int64_t dim, const LinearAttentionConfig& cfg, InitScale init);
  // x [b, rows of this rank, dim]. With a state the sequence goes on from it, and it is carried on.
  Var operator()(Ctx& c, const Var& x, const TokenLayout& tokens, State* state = nullptr) const;
  Var operator()(Ctx& c, const Var& x, State* state = nullptr) const {
    return (*this)(c, x, TokenLayout::whole(x.dim(1)), state);
  }

 private:
  struct Heads {
    Var q, k, v;  // [b, t, heads, channels]
    Heads part(Range tokens) const;
  };
  Var read(const Heads& x, State& state) const;  // [b, t, heads, value channels]

  std::int64_t chunk_, heads_;  // heads of this rank
  Linear q_proj_, k_proj_, v_proj_;
  RmsNorm o_norm_;
  Linear o_proj_;
};

}  // namespace lact
