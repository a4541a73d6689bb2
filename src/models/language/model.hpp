// A language model: embedding, blocks of a layer over the sequence and a gated feed-forward layer, a map to the
// vocabulary (docs/math.md, 16; parameter names as published).
#pragma once
#include <optional>

#include "layers/mlp.hpp"
#include "layers/model.hpp"
#include "layers/recurrent/short_convolution.hpp"
#include "models/language/config.hpp"
#include "models/language/state.hpp"

namespace lact {

// A batch has "tokens" and "targets", i32 [samples, context]; a target is the token to predict behind its place,
// negative where nothing is.
class LanguageModel final : public Model {
 public:
  LanguageModel(ParameterStore& store, const LanguageConfig& cfg, CpMode mode = CpMode::tokens);

  int blocks() const override { return int(blocks_.size()); }
  std::int64_t place_of(const std::string& parameter) const override;
  Var embed(Ctx& c, const Batch& b) override;
  Var block(Ctx& c, int i, const Var& x, const Batch& b) override;
  Var head(Ctx& c, const Var& x, const Batch& b) override;  // sum of cross entropies / valid
  Tensor hidden(const Ctx& c, const Batch& b) const override;
  std::int64_t tokens(const Batch& b) const override { return b.tensor("tokens").count(); }
  Flops forward_flops(const Batch& b) const override;

  // The last block's tokens of this rank -> logits of the whole sequence, f32 [b, context, vocab_size]. Collective.
  Var logits(Ctx& c, const Var& x, const Batch& b);
  // The tokens that follow those of the state, i32 [b, n], n > 0 -> logits behind the last of them, or behind each, f32
  // [b, 1 or n, vocab_size]; the state is carried on. The numbers are those of the whole sequence at once, however it
  // is split. Every rank of cp computes all of it, tp shares the heads as in training, and there is one stage of pp;
  // the result is on all ranks. Without gradients. Collective.
  enum class Logits : std::uint8_t { of_last, of_all };
  Tensor advance(Ctx& c, const Tensor& tokens, LanguageState& state, Logits which = Logits::of_last);
  LanguageState first_state(std::int64_t samples) const;  // before the first token
  // Of every token of whole samples, without gradients: the cross entropy of its target, and whether no other token had
  // a larger logit; 0 where there is no target. Both f32 [b, context], the same on all ranks of cp, tp and pp.
  // Collective.
  struct Judged {
    Tensor loss, right;
  };
  Judged judge(Ctx& c, const Batch& b);
  const LanguageConfig& config() const { return cfg_; }

 private:
  struct Block {
    std::optional<NormedConvolution> before;
    RmsNorm norm;
    LanguageLayer layer;
    std::optional<RotaryAttention> window;
    RmsNorm mlp_norm;
    GatedMlp mlp;
  };
  static Block make_block(Scope s, const LanguageConfig& cfg, CpMode mode);
  Var looked_up(Ctx& c, const Tensor& all, const TokenLayout& tokens) const;
  static Var through(Ctx& c, const Block& block, const Var& x, const TokenLayout& tokens,
                     LanguageState::OfBlock* state);
  TokenLayout layout(const Ctx& c, const Batch& b) const;
  bool split_vocabulary(const Ctx& c) const { return tp_split_ && c.mesh.along(Axis::tp).size() > 1; }
  Var map_to_vocabulary(Ctx& c, const Var& x) const;
  Var loss_of_rows(Ctx& c, const Var& x, const Tensor& targets, double valid) const;
  Judged judged_rows(Ctx& c, const Var& x, const Tensor& targets) const;

  LanguageConfig cfg_;
  bool tp_split_;  // the vocabulary divides over tp
  const Parameter& table_;
  std::vector<Block> blocks_;
  RmsNorm norm_;
  const Parameter* map_;  // the table itself where both are tied
};

}  // namespace lact
