#include "models/language/model.hpp"

#include <algorithm>

#include "autograd/broadcast.hpp"
#include "autograd/checkpoint.hpp"
#include "autograd/collectives.hpp"
#include "base/check.hpp"
#include "kernels/softmax.hpp"
#include "layers/losses.hpp"

namespace lact {
namespace {

const LanguageConfig& judged_config(const LanguageConfig& cfg) {
  cfg.check_values();
  return cfg;
}

const Parameter& vocabulary_by_width(Scope s, const LanguageConfig& cfg) {
  const Shape shape{cfg.vocab_size, cfg.hidden_size};
  const bool split = cfg.vocab_size % s.tp() == 0;
  return s.parameter("weight", shape, gaussian(cfg.initializer_range),
                     split ? std::optional(TpSplit{1, cfg.vocab_size, cfg.hidden_size}) : std::nullopt);
}

// Of numbers [b, context], those of the tokens in the ranges, [b * tokens].
Tensor taken(const Tensor& all, const std::vector<Range>& ranges) {
  const Tensor rows = dense(gather_rows(Var(all), ranges).value());
  return rows.view({rows.count()});
}

Var as_rows(const Var& x) { return view(x, {x.dim(0) * x.dim(1), x.dim(2)}); }

// Logits of so many rows at once take 256 MB: they are recomputed in the backward pass, piece by piece.
std::int64_t rows_at_once(std::int64_t classes) { return std::max<std::int64_t>(1, (std::int64_t(1) << 26) / classes); }

// What the published models call their parts.
struct Names {
  std::string_view embedding, norm, layer, mlp_norm;
};
Names names_of(const LanguageConfig& cfg) {
  if (cfg.model_type == "ttt") return {"embed_tokens", "seq_norm", "seq_modeling_block", "ffn_norm"};
  return {"embeddings", "attn_norm", "attn", "mlp_norm"};
}

}  // namespace

LanguageModel::LanguageModel(ParameterStore& store, const LanguageConfig& cfg, CpMode mode)
    : cfg_(judged_config(cfg)),
      tp_split_(cfg.vocab_size % store.tp() == 0),
      table_(vocabulary_by_width(Scope(store) / "model" / names_of(cfg).embedding, cfg)),
      norm_(Scope(store) / "model" / "norm", cfg.hidden_size, cfg.norm_eps),
      map_(cfg.tie_word_embeddings ? &table_ : &vocabulary_by_width(Scope(store) / "lm_head", cfg)) {
  const Scope layers = Scope(store) / "model" / "layers";
  for (std::int64_t i = 0; i < cfg.num_hidden_layers; ++i)
    blocks_.push_back(make_block(layers / std::to_string(i), cfg, mode));
}

LanguageModel::Block LanguageModel::make_block(Scope s, const LanguageConfig& cfg, CpMode mode) {
  const Names names = names_of(cfg);
  const Scope attn = s / names.layer;
  const std::int64_t dim = cfg.hidden_size;
  const double deviation = cfg.initializer_range;
  const InitScale init{deviation, deviation};
  const RotaryAttentionConfig heads{.heads = cfg.lact.num_attn_heads,
                                    .kv_heads = cfg.kv_heads(),
                                    .window = cfg.lact.window_size,
                                    .rope_theta = cfg.lact.rope_theta,
                                    .bias = cfg.lact.qkv_bias};
  auto layer = [&]() -> LanguageLayer {
    if (cfg.has_fast_weights()) return CausalLact(attn, dim, cfg.lact, mode, deviation);
    if (cfg.model_type == "ttt") return MiniBatchTtt(attn, dim, cfg.ttt);
    if (cfg.model_type == "gla") return GatedLinearAttention(attn, dim, cfg.gla, init);
    if (cfg.model_type == "delta_net") return DeltaNet(attn, dim, cfg.delta_net, init);
    if (cfg.model_type == "linear_attention") return ChunkedLinearAttention(attn, dim, cfg.linear_attention, init);
    if (cfg.model_type == "mamba") return Mamba(attn, dim, cfg.mamba);
    if (cfg.model_type == "mamba2") return Mamba2(attn, dim, cfg.mamba2, init);
    return RotaryAttention(attn, dim, heads, deviation);
  };
  RmsNorm norm(s / names.norm, dim, cfg.norm_eps);
  Block block{{},
              norm,
              layer(),
              {},
              RmsNorm(s / names.mlp_norm, dim, cfg.norm_eps),
              GatedMlp(s / "mlp", dim, cfg.hidden_of_mlp(), deviation)};
  if (cfg.pre_conv) block.before.emplace(s / "conv", dim, cfg.ttt.conv_kernel, cfg.norm_eps);
  if (cfg.window_beside) block.window.emplace(s / "window", dim, heads, deviation);
  return block;
}

std::int64_t LanguageModel::place_of(const std::string& parameter) const {
  constexpr std::string_view of_block = "model.layers.";
  if (parameter.starts_with(of_block)) return std::stoll(parameter.substr(of_block.size()));
  return parameter.starts_with("model.embed") ? -1 : blocks();
}

TokenLayout LanguageModel::layout(const Ctx& c, const Batch& b) const {
  const std::int64_t context = b.tensor("tokens").dim(1);
  return TokenLayout::of(cfg_.plan(context), context, c.mesh);
}

Tensor LanguageModel::hidden(const Ctx& c, const Batch& b) const {
  return Tensor::empty(c.device, {b.samples(), total(layout(c, b).rows()), cfg_.hidden_size}, c.activations);
}

Flops LanguageModel::forward_flops(const Batch& b) const {
  const FlopsOfParts parts = costs_of(cfg_, b.samples(), b.tensor("tokens").dim(1)).forward;
  Flops all = parts.embed;
  for (int i = 0; i < blocks(); ++i) all += parts.block;
  return all += parts.head;
}

// Where tp splits the vocabulary each of its ranks looks up its own words among all tokens of the line.
Var LanguageModel::looked_up(Ctx& c, const Tensor& all, const TokenLayout& tokens) const {
  const bool split = split_vocabulary(c);
  Tensor index = taken(all, split ? tokens.mine() : tokens.rows());
  const Var table = use(c, table_);
  if (split) {
    const Tensor own = like(index);
    kernels::within(own, index, c.mesh.at(Axis::tp) * table.dim(0), table.dim(0));
    index = own;
  }
  const std::int64_t each = index.count() / std::max<std::int64_t>(1, all.dim(0));
  const Var rows = view(embedding(table, index), {all.dim(0), each, cfg_.hidden_size});
  const Var mine = split ? scatter_tokens(c, rows) : rows;
  return c.activations == DType::bf16 ? cast(mine, DType::bf16) : mine;
}

Var LanguageModel::embed(Ctx& c, const Batch& b) { return looked_up(c, b.tensor("tokens"), layout(c, b)); }

// With a state the tokens follow those before, and it is carried on.
Var LanguageModel::through(Ctx& c, const Block& block, const Var& rows, const TokenLayout& tokens,
                           LanguageState::OfBlock* state) {
  Var x = rows;
  if (block.before) x = add(x, (*block.before)(c, x, tokens, state != nullptr ? &state->before : nullptr));
  const Var y = block.norm(c, x);
  auto layer = [&]<class Layer>(const Layer& l) {
    return l(c, y, tokens, state != nullptr ? &std::get<typename Layer::State>(state->layer) : nullptr);
  };
  Var seen = add(x, std::visit(layer, block.layer));
  if (block.window) seen = add(seen, (*block.window)(c, y, tokens, state != nullptr ? &*state->window : nullptr));
  return add(seen, block.mlp(c, block.mlp_norm(c, seen), tokens));
}

Var LanguageModel::block(Ctx& c, int i, const Var& x, const Batch& b) {
  return through(c, blocks_[std::size_t(i)], x, layout(c, b), nullptr);
}

LanguageState LanguageModel::first_state(std::int64_t samples) const {
  LanguageState s;
  s.samples = samples;
  for (const Block& block : blocks_) {
    auto empty = []<class Layer>(const Layer&) -> LanguageLayerState { return typename Layer::State(); };
    s.blocks.push_back({{}, std::visit(empty, block.layer), {}});
    if (block.window) s.blocks.back().window.emplace();
  }
  return s;
}

Tensor LanguageModel::advance(Ctx& with_tape, const Tensor& tokens, LanguageState& state, Logits which) {
  Ctx c = with_tape.on(nullptr);
  check(stages().size() == 1, "a model on {} stages of pp carries no state from token to token; parallel.pp=1 does",
        stages().size());
  const std::int64_t samples = tokens.dim(0), n = tokens.dim(1);
  check(n > 0, "a state goes on with a token at least");
  check(n <= most_tokens_of_text - state.position, "{} tokens behind {} are more than the {} that a text may have", n,
        state.position, most_tokens_of_text);
  if (state.blocks.empty()) state = first_state(samples);
  check(state.samples == samples && state.blocks.size() == blocks_.size(),
        "a state of {} samples in {} blocks does not go on with {} samples in {}", state.samples, state.blocks.size(),
        samples, blocks_.size());
  const TokenLayout layout = TokenLayout::alike(n, c.mesh);
  Var x = looked_up(c, tokens, layout);
  for (std::size_t i = 0; i < blocks_.size(); ++i) x = through(c, blocks_[i], x, layout, &state.blocks[i]);
  state.position += n;
  Var rows = gather_tokens(c, x, n);
  if (which == Logits::of_last) rows = cut(rows, 1, {n - 1, n});
  const Var scores = map_to_vocabulary(c, norm_(c, rows));
  return dense((split_vocabulary(c) ? gather(scores, 2, c.mesh.along(Axis::tp)) : scores).value());
}

// Scores are f32 also of bf16 rows: rounded to bf16 many of them would be equal.
Var LanguageModel::map_to_vocabulary(Ctx& c, const Var& x) const {
  if (x.value().dtype() != DType::bf16) return linear(x, use(c, *map_));
  Shape scores = x.shape();
  scores.back() = map_->local[0];
  const std::int64_t width = x.dim(-1), rows = x.value().count() / width;
  return view(matmul(view(x, {rows, width}), cast(use(c, *map_), DType::bf16), Orient::nt), scores);
}

// Rows [rows, width], normed: this rank's part of the loss.
Var LanguageModel::loss_of_rows(Ctx& c, const Var& x, const Tensor& targets, double valid) const {
  const Var scores = map_to_vocabulary(c, x);
  if (!split_vocabulary(c)) return cross_entropy(scores, targets, valid, cfg_.z_loss).loss;
  return split_cross_entropy(scores, targets, c.mesh.at(Axis::tp) * scores.dim(1), valid, cfg_.z_loss,
                             c.mesh.along(Axis::tp));
}

Var LanguageModel::head(Ctx& c, const Var& x, const Batch& b) {
  const TokenLayout tokens = layout(c, b);
  const bool split = split_vocabulary(c);
  const Var normed = norm_(c, x), rows = as_rows(split ? gather_tokens(c, normed, tokens.held()) : normed);
  const Tensor targets = taken(b.tensor("targets"), split ? tokens.mine() : tokens.rows());
  const std::int64_t piece = rows_at_once(map_->local[0]);
  if (rows.dim(0) <= piece) return loss_of_rows(c, rows, targets, b.valid);
  std::vector<std::int64_t> sizes(std::size_t(rows.dim(0) / piece), piece);
  if (rows.dim(0) % piece > 0) sizes.push_back(rows.dim(0) % piece);
  Var loss;
  std::int64_t begin = 0;
  for (const Var& part_of_rows : pieces(rows, 0, sizes)) {
    const Range r{begin, begin + part_of_rows.dim(0)};
    begin = r.end;
    auto body = [this, c, wanted = targets.cut(0, r), valid = b.valid](Tape* tape, std::span<const Var> in) {
      Ctx own = c.on(tape);
      return std::vector<Var>{loss_of_rows(own, in[0], wanted, valid)};
    };
    const Var part = checkpoint(c.tape, {part_of_rows}, body)[0];
    loss = loss ? add(loss, part) : part;
  }
  return loss;
}

Var LanguageModel::logits(Ctx& c, const Var& x, const Batch& b) {
  const Var rows = whole_sequence(c, norm_(c, x), layout(c, b));
  const Var scores = map_to_vocabulary(c, rows);
  return split_vocabulary(c) ? gather(scores, 2, c.mesh.along(Axis::tp)) : scores;
}

LanguageModel::Judged LanguageModel::judged_rows(Ctx& c, const Var& x, const Tensor& targets) const {
  Var scores = map_to_vocabulary(c, x);
  if (split_vocabulary(c)) scores = gather(scores, 1, c.mesh.along(Axis::tp));
  const Var kept = [&] {
    const Tensor t = like(scores.value(), targets.shape());
    kernels::has_index(t, targets);
    return Var(t);
  }();
  const Var wanted = pick(scores, targets);
  const Tensor top = like(wanted.value());
  kernels::row_max(top, dense(scores.value()));
  // 1 where the difference is zero: exp(-huge x) is 0 elsewhere
  const Var behind = scale(mul(sub(wanted, Var(top)), kept), 1e30);
  return {mul(sub(log_sum_exp(scores), wanted), kept).value(), mul(exp(behind), kept).value()};
}

LanguageModel::Judged LanguageModel::judge(Ctx& with_tape, const Batch& b) {
  Ctx c = with_tape.on(nullptr);
  const std::vector<Range> stages = this->stages();
  const std::int64_t context = b.tensor("tokens").dim(1);
  const Var x = before_last_stage(*this, c, b);
  const Var both = made_by_stage(*this, c, stages.size() - 1, {2, b.samples(), context}, DType::f32, [&] {
    const Range last = stages.back();
    Var y = last.begin == 0 ? embed(c, b) : x;
    for (std::int64_t i = last.begin; i < last.end; ++i) y = block(c, int(i), y, b);
    const Var rows = as_rows(whole_sequence(c, norm_(c, y), layout(c, b)));
    const Tensor targets = b.tensor("targets").view({rows.dim(0)});
    const std::int64_t piece = rows_at_once(cfg_.vocab_size);
    std::vector<Var> loss, right;
    for (std::int64_t begin = 0; begin < rows.dim(0); begin += piece) {
      const Range r{begin, std::min(begin + piece, rows.dim(0))};
      const Judged j = judged_rows(c, cut(rows, 0, r), targets.cut(0, r));
      loss.emplace_back(j.loss), right.emplace_back(j.right);
    }
    return view(join({join(loss, 0), join(right, 0)}, 0), {2, b.samples(), context});
  });
  return {both.value().select(0, 0), both.value().select(0, 1)};
}

}  // namespace lact
