#include "models/view_synthesis/model.hpp"

#include <algorithm>
#include <cmath>

#include "autograd/broadcast.hpp"
#include "base/check.hpp"
#include "layers/embedding.hpp"

namespace lact {
namespace {

constexpr std::int64_t channels = 12;  // ray origin, direction, moment, colour
constexpr std::string_view attention_type = "model.SelfAttention", mlp_type = "model.MLP",
                           ttt_type = "lact_ttt.FastWeightGluMLPMultihead";

double multiple(const BlockConfig& b) {
  if (b.params.inter_multi > 0) return b.params.inter_multi;
  return b.type == mlp_type ? 4 : 1;
}

}  // namespace

void BlockParams::fields(Fields& f) {
  f("head_dim", head_dim, "width of a head");
  f("use_qk_norm", use_qk_norm, "attention: RMSNorm of queries and keys per head");
  f("causal", causal, "attention: a token sees itself and earlier ones");
  f("inter_multi", inter_multi,
    "hidden width as a multiple of the width (MLP) or of head_dim (fast weights); 0 is 4 and 1");
  f("base_lr", base_lr, "fast weights: learning rate at initialisation");
  f("muon_update_steps", muon_update_steps, "fast weights: Newton-Schulz steps; 0 normalises only");
}

void BlockConfig::fields(Fields& f) {
  f("type", type, "model.SelfAttention, lact_ttt.FastWeightGluMLPMultihead or model.MLP");
  f("length_dim", length_dim, "l: each view on its own; vl: all views together");
  f.section("params", params);
}

void ViewSynthesisConfig::fields(Fields& f) {
  f("patch_size", patch_size, "pixels along the side of a patch; a patch is a token");
  f("dim", dim, "width of a token");
  f("layers", layers, "number of blocks");
  f.list("block_config", block_config, "the sub-layers of every block, in order");
}

std::vector<BlockConfig> ViewSynthesisConfig::default_blocks() {
  std::vector<BlockConfig> b(3);
  b[0].type = attention_type, b[0].length_dim = "l";
  b[1].type = ttt_type, b[1].params.inter_multi = 2, b[1].params.muon_update_steps = 5;
  b[2].type = mlp_type;
  return b;
}

void ViewSynthesisConfig::check_values(std::int64_t height, std::int64_t width) const {
  check(patch_size > 0 && dim > 0 && layers > 0,
        "model.patch_size={}, model.dim={} and model.layers={} must be positive", patch_size, dim, layers);
  check(height % patch_size == 0 && width % patch_size == 0,
        "a resolution of {} x {} is not divisible by model.patch_size={}", height, width, patch_size);
  check(dim < (1 << 20) && layers < (1 << 16) && patch_size < 4096,
        "model.dim={}, model.layers={}, model.patch_size={} are absurd", dim, layers, patch_size);
  for (const BlockConfig& b : block_config) {
    bool ttt = b.type == ttt_type;
    check(ttt || b.type == attention_type || b.type == mlp_type,
          "model.block_config: unknown type '{}'; known are {}, {} and {}", b.type, attention_type, ttt_type, mlp_type);
    check(b.length_dim == "l" || b.length_dim == "vl", "model.block_config: length_dim is 'l' or 'vl', not '{}'",
          b.length_dim);
    check(!ttt || b.length_dim == "vl",
          "model.block_config: the fast-weight layer works on all views: length_dim must be 'vl'");
    check(b.type == mlp_type || (b.params.head_dim > 0 && dim % b.params.head_dim == 0),
          "model.dim={} is not divisible by head_dim={} of {}", dim, b.params.head_dim, b.type);
    check(b.params.inter_multi >= 0 && b.params.inter_multi <= 1024,
          "model.block_config: inter_multi={} is not between 0 and 1024", b.params.inter_multi);
    check(b.type == attention_type || double(ttt ? b.params.head_dim : dim) * multiple(b) >= 1,
          "model.block_config: inter_multi={} leaves {} without hidden units", b.params.inter_multi, b.type);
    check(b.params.base_lr > 0 && b.params.base_lr <= 1e3, "model.block_config: base_lr={} is not a learning rate",
          b.params.base_lr);
    check(b.params.muon_update_steps >= 0 && b.params.muon_update_steps <= 1000,
          "model.block_config: muon_update_steps={} is not between 0 and 1000", b.params.muon_update_steps);
  }
}

ViewSynthesis::ViewSynthesis(ParameterStore& store, const ViewSynthesisConfig& cfg, CpMode mode)
    : cfg_(cfg),
      cp_mode_(mode),
      input_linear_(Scope(store) / "input_linear", channels * cfg.patch_size * cfg.patch_size, cfg.dim, gaussian(0.02)),
      input_layernorm_(Scope(store) / "input_layernorm", cfg.dim),
      decoder_norm_(Scope(store) / "image_token_decoder.0", cfg.dim),
      decoder_(Scope(store) / "image_token_decoder.1", cfg.dim, 3 * cfg.patch_size * cfg.patch_size, gaussian(0.02)) {
  if (cfg_.block_config.empty()) cfg_.block_config = ViewSynthesisConfig::default_blocks();
  InitScale init = InitScale::of(std::int64_t(cfg_.block_config.size()) * cfg_.layers);
  for (std::int64_t i = 0; i < cfg_.layers; ++i) {
    Scope s = Scope(store) / "blocks" / std::to_string(i) / "module_list";
    std::vector<SubLayer> list;
    for (std::size_t j = 0; j < cfg_.block_config.size(); ++j)
      list.push_back(make_sub_layer(s / std::to_string(j), cfg_.block_config[j], init));
    blocks_.push_back(std::move(list));
  }
}

ViewSynthesis::SubLayer ViewSynthesis::make_sub_layer(Scope s, const BlockConfig& b, InitScale init) const {
  LayerNorm ln(s / "ln", cfg_.dim);
  Scope f = s / "f";
  const BlockParams& p = b.params;
  bool per_view = b.length_dim == "l";
  if (b.type == attention_type)
    return {per_view, ln, SelfAttention(f, cfg_.dim, {p.head_dim, p.use_qk_norm, p.causal, false}, init)};
  if (b.type == mlp_type) return {false, ln, Mlp(f, cfg_.dim, multiple(b), false, init)};
  check(b.type == ttt_type, "model.block_config: unknown type '{}'", b.type);
  return {false, ln,
          Ttt(f, cfg_.dim, {p.head_dim, multiple(b), p.base_lr, p.muon_update_steps, false, cp_mode_}, init)};
}

ViewSynthesis::Sequence ViewSynthesis::sequence(const Mesh& mesh, std::int64_t views, std::int64_t h, std::int64_t w,
                                                TttPlan plan) const {
  Sequence seq;
  seq.tokens_per_view = per_view(h, w);
  seq.plan = std::move(plan);
  seq.cut = TokenCut::of(seq.plan, views * seq.tokens_per_view, mesh);
  return seq;
}

ViewSynthesis::Sequence ViewSynthesis::sequence(const Mesh& mesh, std::int64_t inputs, std::int64_t targets,
                                                std::int64_t h, std::int64_t w) const {
  const std::int64_t n = per_view(h, w);
  return sequence(mesh, inputs + targets, h, w, plan_views(inputs * n, targets * n));
}

namespace {

Var in_type_of(const Ctx& c, const Var& x) { return c.activations == x.value().dtype() ? x : cast(x, c.activations); }

// The views that hold some tokens, and where these stand among the tokens of the views.
struct Covering {
  Range views, rows;
};
Covering covering(Range tokens, std::int64_t per_view) {
  Range views{tokens.begin / per_view, (tokens.end + per_view - 1) / per_view};
  return {views, {tokens.begin - views.begin * per_view, tokens.end - views.begin * per_view}};
}

}  // namespace

std::vector<bool> ViewSynthesis::views_seen(const Mesh& mesh, std::int64_t inputs, std::int64_t targets, std::int64_t h,
                                            std::int64_t w) const {
  const int pp = mesh.grid().size[std::size_t(Axis::pp)], at = mesh.at(Axis::pp);
  const bool embeds = at == 0, decodes = at == int(stages().size() - 1) % pp;
  const Sequence seq = sequence(mesh, inputs, targets, h, w);
  std::vector<bool> seen(std::size_t(inputs + targets), false);
  for (const Range& rows : seq.cut.rows()) {
    const Range views = covering(rows, seq.tokens_per_view).views;
    for (std::int64_t v = views.begin; v < views.end; ++v) seen[std::size_t(v)] = embeds || (decodes && v >= inputs);
  }
  return seen;
}

// The tokens of this rank's rows; views without a row here are not touched.
Var ViewSynthesis::embed_rows(Ctx& c, const Sequence& seq, const ViewBatch& b, std::int64_t h, std::int64_t w) {
  std::vector<Var> parts;
  for (const Range& r : seq.cut.rows()) {
    const auto [views, rows] = covering(r, seq.tokens_per_view);
    const Range given{views.begin, std::min(views.end, b.input_views)};
    Tensor pictures = b.images.defined() && !given.empty() ? dense(b.images.cut(1, given)) : Tensor();
    Tensor tokens =
        view_tokens(dense(b.intrinsics.cut(1, views)), dense(b.poses.cut(1, views)), pictures, h, w, cfg_.patch_size);
    parts.emplace_back(tokens.cut(1, rows));
  }
  if (parts.empty())
    parts.emplace_back(Tensor::zeros(c.device, {b.poses.dim(0), 0, channels * cfg_.patch_size * cfg_.patch_size}));
  return input_layernorm_(c, input_linear_(c, in_type_of(c, dense(join(parts, 1).value()))));
}

Var ViewSynthesis::run_block(Ctx& c, int i, Var x, const Sequence& seq) {
  std::size_t ttt_index = 0;
  Var branch;  // of the sub-layer before, not yet added
  for (const SubLayer& sub : blocks_[std::size_t(i)]) {
    const std::vector<Var> sum_and_norm = sub.ln.after_sum(c, x, branch);
    x = sum_and_norm[0];
    Var y = sum_and_norm[1];
    if (const auto* attend = std::get_if<SelfAttention>(&sub.f)) {
      y = (*attend)(c, y, seq.cut, sub.per_view ? seq.tokens_per_view : seq.cut.tokens);
    } else if (const auto* mlp = std::get_if<Mlp>(&sub.f)) {
      y = (*mlp)(c, y, seq.cut);
    } else {
      Ttt::Result r = std::get<Ttt>(sub.f)(c, y, seq.plan, seq.cut, seq.initial ? &(*seq.initial)[ttt_index] : nullptr);
      if (seq.final_states) seq.final_states->push_back(r.state);
      y = r.y;
      ++ttt_index;
    }
    branch = y;
  }
  return branch ? add(x, branch) : x;
}

std::int64_t ViewSynthesis::tokens(const Batch& batch) const {
  const ViewBatch b = batch;
  return b.poses.dim(0) * b.poses.dim(1) * per_view(b.images.dim(3), b.images.dim(4));
}

std::int64_t ViewSynthesis::place_of(const std::string& parameter) const {
  constexpr std::string_view of_block = "blocks.", of_head = "image_token_decoder.";
  if (parameter.starts_with(of_block)) return std::stoll(parameter.substr(of_block.size()));
  return parameter.starts_with(of_head) ? blocks() : -1;
}

Tensor ViewSynthesis::hidden(const Ctx& c, const Batch& batch) const {
  const ViewBatch b = batch;
  return Tensor::empty(c.device, {b.poses.dim(0), total(sequence(c, b).cut.rows()), cfg_.dim}, c.activations);
}

Var ViewSynthesis::embed(Ctx& c, const Batch& batch) {
  const ViewBatch b = batch;
  return embed_rows(c, sequence(c, b), b, b.images.dim(3), b.images.dim(4));
}

Var ViewSynthesis::block(Ctx& c, int i, const Var& x, const Batch& b) { return run_block(c, i, x, sequence(c, b)); }

// The loss of the rows that this rank holds of the targets, token by token.
Var ViewSynthesis::head(Ctx& c, const Var& x, const Batch& batch) {
  const ViewBatch b = batch;
  const Sequence seq = sequence(c, b);
  const std::int64_t n = seq.tokens_per_view, h = b.images.dim(3), w = b.images.dim(4);
  std::vector<Var> wanted{Tensor::zeros(c.device, {x.dim(0), 0, 3 * cfg_.patch_size * cfg_.patch_size})};
  for (const Range& r : seq.cut.rows()) {
    const Range targets{std::max(r.begin, b.input_views * n), r.end};
    if (targets.empty()) continue;
    const auto [views, rows] = covering(targets, n);
    wanted.emplace_back(patched(b.images.cut(1, views), h, w, cfg_.patch_size).cut(1, rows));
  }
  Var target = join(wanted, 1);
  Var y = decoded(c, cut(x, 1, {x.dim(1) - target.dim(1), x.dim(1)}));
  if (y.value().dtype() == DType::f64) target = cast(target, DType::f64);
  return scale(sum(square(sub(y, target))), 1 / b.valid);
}

Var ViewSynthesis::images(Ctx& c, const Var& x, const Sequence& seq, Range views, std::int64_t h, std::int64_t w) {
  Var all = whole_sequence(c, x, seq.cut);
  std::int64_t n = seq.tokens_per_view;
  return unpatched(decoded(c, cut(all, 1, {views.begin * n, views.end * n})), views.size(), h, w, cfg_.patch_size);
}

Var ViewSynthesis::images_of(Ctx& c, const Var& x, const ViewBatch& b) {
  Range targets{b.input_views, b.input_views + b.target_views};
  return images(c, x, sequence(c, b), targets, b.images.dim(3), b.images.dim(4));
}

Var ViewSynthesis::run_all(Ctx& c, Sequence& seq, const ViewBatch& views, std::int64_t h, std::int64_t w,
                           const std::function<void(std::size_t block)>& before_block) {
  Var x;
  const std::vector<Range> stages = this->stages();
  for (std::size_t s = 0; s < stages.size(); ++s)
    x = made_by_stage(*this, c, s, {views.poses.dim(0), total(seq.cut.rows()), cfg_.dim}, c.activations, [&] {
      Var y = s == 0 ? embed_rows(c, seq, views, h, w) : x;
      for (std::int64_t i = stages[s].begin; i < stages[s].end; ++i) {
        before_block(std::size_t(i));
        y = run_block(c, int(i), y, seq);
      }
      return y;
    });
  return x;
}

Var ViewSynthesis::images_everywhere(Ctx& c, const Var& x, const Sequence& seq, Range views, std::int64_t h,
                                     std::int64_t w) {
  return made_by_stage(*this, c, stages().size() - 1, {x.dim(0), views.size(), 3, h, w}, DType::f32,
                       [&] { return images(c, x, seq, views, h, w); });
}

Var ViewSynthesis::predict(Ctx& c, const ViewBatch& b) {
  const std::int64_t h = b.images.dim(3), w = b.images.dim(4);
  Sequence seq = sequence(c, b);
  Var x = run_all(c, seq, b, h, w, [](std::size_t) {});
  return images_everywhere(c, x, seq, {b.input_views, b.input_views + b.target_views}, h, w);
}

ViewSynthesis::States ViewSynthesis::reconstruct(Ctx& c, const ViewBatch& inputs) {
  const std::int64_t h = inputs.images.dim(3), w = inputs.images.dim(4);
  Range all{0, inputs.input_views * per_view(h, w)};
  Sequence seq = sequence(c.mesh, inputs.input_views, h, w, {{TttEvent::update, all}, {TttEvent::apply, all}});
  States states(blocks_.size());  // those of other ranks' blocks stay empty
  run_all(c, seq, inputs, h, w, [&](std::size_t i) { seq.final_states = &states[i]; });
  return states;
}

Var ViewSynthesis::render(Ctx& c, const States& states, const Tensor& intrinsics, const Tensor& poses, std::int64_t h,
                          std::int64_t w) {
  ViewBatch views;
  views.intrinsics = intrinsics, views.poses = poses;
  Sequence seq = sequence(c.mesh, poses.dim(1), h, w, {{TttEvent::apply, {0, poses.dim(1) * per_view(h, w)}}});
  Var x = run_all(c, seq, views, h, w, [&](std::size_t i) { seq.initial = &states[i]; });
  return images_everywhere(c, x, seq, {0, poses.dim(1)}, h, w);
}

namespace {

std::vector<SubLayerShape> sub_layers(const ViewSynthesisConfig& cfg) {
  std::vector<SubLayerShape> out;
  for (const BlockConfig& b : cfg.block_config.empty() ? ViewSynthesisConfig::default_blocks() : cfg.block_config) {
    const BlockParams& p = b.params;
    const std::string key = "model.block_config." + std::to_string(out.size());
    if (b.type == mlp_type) {
      out.push_back({.key = key, .kind = SubLayerShape::mlp, .hidden = std::int64_t(double(cfg.dim) * multiple(b))});
    } else if (b.type == attention_type) {
      out.push_back({.key = key,
                     .kind = SubLayerShape::attention,
                     .local = b.length_dim == "l",
                     .heads = cfg.dim / p.head_dim,
                     .head_dim = p.head_dim});
    } else {
      out.push_back({.key = key,
                     .kind = SubLayerShape::fast_weights,
                     .heads = cfg.dim / p.head_dim,
                     .head_dim = p.head_dim,
                     .hidden = std::int64_t(double(p.head_dim) * multiple(b)),
                     .newton_schulz_steps = p.muon_update_steps});
    }
  }
  return out;
}

}  // namespace

Costs costs_of(const ViewSynthesisConfig& cfg, const SampleShape& s) {
  auto p2 = double(cfg.patch_size * cfg.patch_size), d = double(cfg.dim), n = double(s.tokens());
  double views = double(s.input_views + s.target_views), per_view = double(s.tokens_per_view);
  double updated = double(s.samples * s.input_views) * per_view;
  Costs costs{.tokens = s.tokens(), .width = cfg.dim, .blocks = cfg.layers, .blocks_key = "model.layers"};
  costs.sub_layers = sub_layers(cfg);
  FlopsOfParts& f = costs.forward;
  f.embed.linear = 2 * n * channels * p2 * d;
  f.head.linear = 2 * double(s.samples * s.target_views) * per_view * 3 * p2 * d;
  for (const SubLayerShape& sub : costs.sub_layers) {
    auto heads = double(sub.heads), head = double(sub.head_dim), dh = double(sub.hidden);
    if (sub.kind == SubLayerShape::attention) {
      f.block.linear += 8 * n * d * d;
      f.block.attention += 4 * n * (sub.local ? per_view : per_view * views) * d;
    } else if (sub.kind == SubLayerShape::mlp) {
      f.block.linear += 4 * n * d * dh;
    } else {
      f.block.linear += 8 * n * d * d + 6 * n * d * heads;
      f.block += fast_weight_flops(updated * heads, n * heads, double(s.samples) * heads, head, dh,
                                   double(sub.newton_schulz_steps));
    }
  }
  return costs;
}

Flops ViewSynthesis::forward_flops(const Batch& batch) const {
  const ViewBatch b = batch;
  std::int64_t items = b.poses.dim(0), views = b.input_views + b.target_views;
  FlopsOfParts parts = costs_of(cfg_, {items, b.input_views, b.target_views, tokens(b) / (items * views)}).forward;
  Flops f = parts.embed;
  for (int i = 0; i < blocks(); ++i) f += parts.block;
  return f += parts.head;
}

}  // namespace lact
