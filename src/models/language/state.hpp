// What a language model carries from token to token: a prefill, a decoder's steps and a session all go on from it. A
// copy is a state of its own.
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "layers/attention/rotary_attention.hpp"
#include "layers/fast_weights/causal_lact.hpp"
#include "layers/fast_weights/mini_batch/mini_batch_ttt.hpp"
#include "layers/recurrent/chunked_linear_attention.hpp"
#include "layers/recurrent/delta_net.hpp"
#include "layers/recurrent/gla.hpp"
#include "layers/recurrent/mamba.hpp"
#include "layers/recurrent/mamba2.hpp"

namespace lact {

// A layer names its State, and takes one behind its tokens and their layout; its parts stand in state.cpp.
using LanguageLayer = std::variant<CausalLact, RotaryAttention, MiniBatchTtt, GatedLinearAttention, DeltaNet, Mamba,
                                   Mamba2, ChunkedLinearAttention>;
using LanguageLayerState =
    std::variant<CausalLact::State, RotaryAttention::State, MiniBatchTtt::State, GatedLinearAttention::State,
                 DeltaNet::State, Mamba::State, Mamba2::State, ChunkedLinearAttention::State>;

inline constexpr std::int64_t most_tokens_of_text = std::int64_t(1) << 30;  // positions of a rotation are i32

struct LanguageState {
  struct OfBlock {
    Var before;                // inputs of the convolution before the block, [samples, taps, width]; empty without one
    LanguageLayerState layer;  // of the kind of the block's layer
    std::optional<RotaryAttention::State> window;  // beside it
  };
  std::int64_t position = 0, samples = 0;  // tokens before, of each of so many samples
  std::vector<OfBlock> blocks;             // none before the first token
};

// One of the tensors that a state is made of: a value, which may be empty, or the first tokens of a buffer.
struct StatePart {
  std::string name = {};  // "3.weights.w0": of which block, and what
  Var* value = nullptr;
  TokenBuffer* buffer = nullptr;
  std::int64_t kept = 0;      // tokens in the buffer
  const Var* like = nullptr;  // what has its shape, where it is empty at first
  int heads_dim = 0;          // of one sample: what tp shares out; -1 where all its ranks have the same
  Tensor numbers() const;     // undefined where there are none
};
// In order. What the layers count follows from state.position, and is set by it.
struct LanguageConfig;
std::vector<StatePart> parts_of(LanguageState& state, const LanguageConfig& cfg);

}  // namespace lact
