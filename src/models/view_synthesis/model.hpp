// LaCTLVSM: posed images in, views of given cameras out. The only path between views is the fast-weight layer
// (docs/math.md, section 5; parameter names as published).
#pragma once
#include <variant>

#include "base/config.hpp"
#include "data/views/view_batch.hpp"
#include "layers/attention_mlp.hpp"
#include "layers/model.hpp"
#include "layers/ttt.hpp"
#include "models/costs.hpp"

namespace lact {

struct BlockParams {  // union of the sub-layers' arguments; each sub-layer reads its own
  std::int64_t head_dim = 64;
  bool use_qk_norm = true, causal = false;
  double inter_multi = 0;  // 0: the sub-layer's default (MLP 4, fast weights 1)
  double base_lr = 0.01;
  std::int64_t muon_update_steps = 0;
  void fields(Fields& f);
};
struct BlockConfig {
  std::string type;               // model.SelfAttention, lact_ttt.FastWeightGluMLPMultihead, model.MLP
  std::string length_dim = "vl";  // l: every view on its own; vl: the whole sequence
  BlockParams params;
  void fields(Fields& f);
};
struct ViewSynthesisConfig {
  std::int64_t patch_size = 8, dim = 128, layers = 4;
  std::vector<BlockConfig> block_config;  // of every block; empty: attention (l), fast weights, MLP
  void fields(Fields& f);
  void check_values(std::int64_t height, std::int64_t width) const;  // impossible values are named
  static std::vector<BlockConfig> default_blocks();
};

// One forward pass over samples of input views and target views with so many tokens each.
struct SampleShape {
  std::int64_t samples = 1, input_views = 0, target_views = 0, tokens_per_view = 0;
  std::int64_t tokens() const { return samples * (input_views + target_views) * tokens_per_view; }
};
Costs costs_of(const ViewSynthesisConfig& cfg, const SampleShape& s);

class ViewSynthesis final : public Model {
 public:
  ViewSynthesis(ParameterStore& store, const ViewSynthesisConfig& cfg, CpMode mode = CpMode::tokens);

  int blocks() const override { return int(blocks_.size()); }
  Var embed(Ctx& c, const Batch& b) override;
  Var block(Ctx& c, int i, const Var& x, const Batch& b) override;
  Var head(Ctx& c, const Var& x, const Batch& b) override;  // sum of squared errors / valid
  Tensor hidden(const Ctx& c, const Batch& b) const override;
  std::int64_t tokens(const Batch& b) const override;
  Flops forward_flops(const Batch& b) const override;

  Var images_of(Ctx& c, const Var& x,
                const ViewBatch& b);        // the last block's tokens -> target views [b, v, 3, h, w] in (0, 1)
  Var predict(Ctx& c, const ViewBatch& b);  // one pass: inputs and targets together

  // Two calls that give the same images as one pass: the input views become fast weights once; each target camera then
  // costs one view. All three run every stage of a pipeline where its parameters are, and give their images to all
  // ranks.
  using States = std::vector<std::vector<FastWeights>>;  // [block][fast-weight sub-layer]
  States reconstruct(Ctx& c, const ViewBatch& inputs);   // target_views = 0
  Var render(Ctx& c, const States& states, const Tensor& intrinsics, const Tensor& poses, std::int64_t h,
             std::int64_t w);

  std::int64_t place_of(const std::string& parameter) const override;
  // Per view of a batch, inputs first, whether this rank looks at it: only ranks of the first stage and of the last do,
  // and those only at views of which they hold tokens.
  std::vector<bool> views_seen(const Mesh& mesh, std::int64_t inputs, std::int64_t targets, std::int64_t h,
                               std::int64_t w) const;
  const ViewSynthesisConfig& config() const { return cfg_; }

 private:
  struct SubLayer {
    bool per_view = false;
    LayerNorm ln;
    std::variant<SelfAttention, Ttt, Mlp> f;
  };
  struct Sequence {  // how the tokens of a pass lie and what the fast-weight layers do with them
    std::int64_t tokens_per_view = 0;
    TttPlan plan;
    TokenCut cut;
    const std::vector<FastWeights>* initial = nullptr;
    std::vector<FastWeights>* final_states = nullptr;
  };
  SubLayer make_sub_layer(Scope s, const BlockConfig& b, InitScale init) const;
  Var run_block(Ctx& c, int i, Var x, const Sequence& seq);
  Sequence sequence(const Mesh& mesh, std::int64_t views, std::int64_t h, std::int64_t w, TttPlan plan) const;
  // Inputs update, all are applied.
  Sequence sequence(const Mesh& mesh, std::int64_t inputs, std::int64_t targets, std::int64_t h, std::int64_t w) const;
  Sequence sequence(const Ctx& c, const ViewBatch& b) const {
    return sequence(c.mesh, b.input_views, b.target_views, b.images.dim(3), b.images.dim(4));
  }
  std::int64_t per_view(std::int64_t h, std::int64_t w) const { return h * w / (cfg_.patch_size * cfg_.patch_size); }
  Var run_all(Ctx& c, Sequence& seq, const ViewBatch& views, std::int64_t h, std::int64_t w,
              const std::function<void(std::size_t block)>& before_block);
  Var embed_rows(Ctx& c, const Sequence& seq, const ViewBatch& views, std::int64_t h, std::int64_t w);
  Var decoded(Ctx& c, const Var& x) { return sigmoid(widened(decoder_(c, decoder_norm_(c, x)))); }
  Var images(Ctx& c, const Var& x, const Sequence& seq, Range views, std::int64_t h, std::int64_t w);
  Var images_everywhere(Ctx& c, const Var& x, const Sequence& seq, Range views, std::int64_t h, std::int64_t w);

  ViewSynthesisConfig cfg_;
  CpMode cp_mode_;
  Linear input_linear_;
  LayerNorm input_layernorm_;
  std::vector<std::vector<SubLayer>> blocks_;
  LayerNorm decoder_norm_;
  Linear decoder_;
};

}  // namespace lact
