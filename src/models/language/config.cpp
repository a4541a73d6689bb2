#include "models/language/config.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"

namespace lact {

void LanguageConfig::Published::fields(Fields& f) {
  f("hidden_act", hidden_act, "gate of the feed-forward layers; swish is the one that there is");
  f("lr_parameterization", lr_parameterization, "of the inner rates; mamba (softplus) is the one that there is");
  f("ttt_loss_type", ttt_loss_type, "of the inner step; dot_product is the one that there is");
  f("lr_dim", lr_dim, "inner rates per token, head and matrix; 1 is what the update takes");
  for (auto [key, number] : {std::pair{"max_position_embeddings", &max_position_embeddings},
                             {"bos_token_id", &bos_token_id},
                             {"eos_token_id", &eos_token_id},
                             {"pad_token_id", &pad_token_id}})
    f(key, *number, "of published files; changes nothing here");
  for (auto [key, flag] : {std::pair{"attention_bias", &attention_bias},
                           {"fuse_cross_entropy", &fuse_cross_entropy},
                           {"fuse_norm", &fuse_norm},
                           {"last_layer_fuse_norm", &last_layer_fuse_norm},
                           {"fuse_swiglu", &fuse_swiglu},
                           {"use_cache", &use_cache},
                           {"fp32_states", &fp32_states},
                           {"elementwise_affine", &elementwise_affine}})
    f(key, *flag, "of published files; changes nothing here");
}

void LanguageConfig::fields(Fields& f) {
  f("model_type", model_type,
    "the layer over the sequence: lact_swiglu (fast weights beside window attention), transformer, ttt, gla, "
    "delta_net, linear_attention, mamba or mamba2");
  f("hidden_size", hidden_size, "width of a token");
  f("num_hidden_layers", num_hidden_layers, "number of blocks");
  f("vocab_size", vocab_size, "tokens that there are; those of the data must be among them");
  f("hidden_ratio", hidden_ratio, "hidden width of the feed-forward layers is 2/3 of so many widths, up to a 256th");
  f("intermediate_size", intermediate_size, "that hidden width itself; 0: by hidden_ratio");
  f("tie_word_embeddings", tie_word_embeddings, "the last map is the embedding");
  f("norm_eps", norm_eps, "epsilon of the norms between layers");
  f("initializer_range", initializer_range, "deviation of linear maps and the embedding at the start");
  f("z_loss", z_loss, "weight of the mean squared log-sum-exp in the training loss");
  f("num_kv_heads", num_kv_heads, "transformer: heads of keys and values; 0: as many as of queries");
  f("window_beside", window_beside, "attention through a window of window_size beside the layer, and added to it");
  f("pre_conv", pre_conv, "ttt: a convolution of ttt.conv_kernel tokens before each block, as in a Mamba backbone");
  lact.fields(f);
  f.section("ttt", ttt);
  f.section("gla", gla);
  f.section("delta_net", delta_net);
  f.section("linear_attention", linear_attention);
  f.section("mamba", mamba);
  f.section("mamba2", mamba2);
  published_.fields(f);
}

std::int64_t LanguageConfig::hidden_of_mlp() const {
  if (intermediate_size > 0) return intermediate_size;
  return (hidden_size * hidden_ratio * 2 / 3 + 255) / 256 * 256;
}

TttPlan LanguageConfig::plan(std::int64_t tokens) const {
  return has_fast_weights() ? plan_causal(tokens, lact.lact_chunk_size) : TttPlan{{TttEvent::apply, {0, tokens}}};
}

void LanguageConfig::check_values() const {
  check(std::ranges::find(language_model_types, model_type) != language_model_types.end(),
        "model.model_type={}: lact_swiglu, transformer, ttt, gla, delta_net, linear_attention, mamba and mamba2 are "
        "known",
        model_type);
  check(!pre_conv || model_type == "ttt", "model.pre_conv=true: only model.model_type=ttt has it, not {}", model_type);
  check(!window_beside || (!has_fast_weights() && model_type != "transformer"),
        "model.window_beside=true: {} has attention of its own", model_type);
  auto within = [](const char* key, std::int64_t value, std::int64_t least, std::int64_t most) {
    check(value >= least && value <= most, "model.{}={} is not between {} and {}", key, value, least, most);
  };
  within("hidden_size", hidden_size, 1, 1 << 20);
  within("num_hidden_layers", num_hidden_layers, 1, 1 << 16);
  within("vocab_size", vocab_size, 1, 1 << 24);
  within("hidden_ratio", hidden_ratio, 1, 1024);
  within("intermediate_size", intermediate_size, 0, 1 << 24);
  check(norm_eps > 0 && initializer_range > 0 && z_loss >= 0,
        "model.norm_eps={}, model.initializer_range={} must be positive, and model.z_loss={} not negative", norm_eps,
        initializer_range, z_loss);
  check(published_.hidden_act == "swish" || published_.hidden_act == "silu", "model.hidden_act={}: swish is known",
        published_.hidden_act);
  check(published_.lr_parameterization == "mamba", "model.lr_parameterization={}: mamba is known",
        published_.lr_parameterization);
  check(published_.ttt_loss_type == "dot_product", "model.ttt_loss_type={}: dot_product is known",
        published_.ttt_loss_type);
  check(published_.lr_dim == 1, "model.lr_dim={}: an update takes one rate per token, head and matrix",
        published_.lr_dim);
  if (model_type == "ttt") ttt.check_values(hidden_size);
  if (model_type == "gla") gla.check_values(hidden_size);
  if (model_type == "delta_net") delta_net.check_values(hidden_size);
  if (model_type == "linear_attention") linear_attention.check_values(hidden_size);
  if (model_type == "mamba") mamba.check_values();
  if (model_type == "mamba2") mamba2.check_values();
  if (!attends()) return;
  check(lact.window_size >= 0, "model.window_size={} is no number of tokens; 0 is no limit", lact.window_size);
  check(lact.rope_theta > 0, "model.rope_theta={} is not positive", lact.rope_theta);
  check(num_kv_heads >= 0 && lact.num_attn_heads > 0 && lact.num_attn_heads % kv_heads() == 0,
        "model.num_kv_heads={} do not serve model.num_attn_heads={} evenly", num_kv_heads, lact.num_attn_heads);
  check(hidden_size % lact.num_attn_heads == 0 && hidden_size / lact.num_attn_heads % 2 == 0,
        "model.num_attn_heads={} does not divide model.hidden_size={} into heads of pairs of channels",
        lact.num_attn_heads, hidden_size);
  if (has_fast_weights()) lact.check_values(hidden_size);
}

namespace {

// Pairs of a query and a key that it sees in a sequence.
double seen(std::int64_t tokens, std::int64_t window) {
  const std::int64_t w = window > 0 ? std::min(window, tokens) : tokens;
  return double(w) * double(w + 1) / 2 + double(tokens - w) * double(w);
}

SubLayerShape attention_shape(const LanguageConfig& cfg) {
  const std::int64_t heads = cfg.lact.num_attn_heads;
  return {.key = "model.num_attn_heads",
          .kind = SubLayerShape::attention,
          .heads = cfg.has_fast_weights() ? heads : cfg.kv_heads(),
          .head_dim = cfg.hidden_size / heads};
}

// `hidden`: channels of a head's values, for a state of head_dim x hidden.
SubLayerShape recurrent_shape(const LanguageConfig& cfg) {
  SubLayerShape s{.kind = SubLayerShape::recurrent};
  auto of = [&](const char* key, std::int64_t heads, double keys, double values) {
    s.key = key, s.heads = heads;
    s.head_dim = std::int64_t(keys) / heads, s.hidden = std::int64_t(values) / heads;
  };
  const auto d = double(cfg.hidden_size);
  if (cfg.model_type == "ttt") {
    of("model.ttt.num_attention_heads", cfg.ttt.num_attention_heads, d, d);
    s.heads_over_cp = true;
  } else if (cfg.model_type == "gla") {
    of("model.gla.num_heads", cfg.gla.num_heads, d * cfg.gla.expand_k, d * cfg.gla.expand_v);
  } else if (cfg.model_type == "delta_net") {
    of("model.delta_net.num_heads", cfg.delta_net.num_heads, d * cfg.delta_net.expand_k, d * cfg.delta_net.expand_v);
  } else if (cfg.model_type == "linear_attention") {
    const LinearAttentionConfig& l = cfg.linear_attention;
    of("model.linear_attention.num_heads", l.num_heads, d * l.expand_k, d * l.expand_v);
  } else if (cfg.model_type == "mamba") {  // every channel is a head of its own
    const std::int64_t channels = cfg.mamba.expand * cfg.hidden_size;
    of("model.mamba.expand", channels, double(channels * cfg.mamba.d_state), double(channels));
  } else {
    const auto width = double(cfg.mamba2.mamba_heads * cfg.mamba2.mamba_head_dim);
    of("model.mamba2.mamba_heads", cfg.mamba2.mamba_heads, width, width);
  }
  return s;
}

std::vector<SubLayerShape> sub_layers(const LanguageConfig& cfg, std::int64_t updates) {
  std::vector<SubLayerShape> out;
  if (cfg.attends()) out.push_back(attention_shape(cfg));
  if (cfg.has_fast_weights()) {
    const std::int64_t width = cfg.hidden_size / cfg.lact.num_lact_heads;
    out.push_back({.key = "model.num_lact_heads",
                   .kind = SubLayerShape::fast_weights,
                   .whole_heads = true,
                   .heads = cfg.lact.num_lact_heads,
                   .head_dim = width,
                   .hidden = std::int64_t(double(width) * cfg.lact.inter_multi),
                   .newton_schulz_steps = cfg.lact.use_muon ? 5 : 0,
                   .updates = updates});
  } else if (cfg.model_type != "transformer") {
    out.push_back(recurrent_shape(cfg));
  }
  out.push_back({.key = "model.intermediate_size", .kind = SubLayerShape::mlp, .hidden = cfg.hidden_of_mlp()});
  return out;
}

// Numbers in the linear maps of a recurrent layer.
double maps_of(const LanguageConfig& cfg, const SubLayerShape& s) {
  const auto d = double(cfg.hidden_size), keys = double(s.heads * s.head_dim), values = double(s.heads * s.hidden);
  if (cfg.model_type == "ttt")
    return (cfg.ttt.share_qk ? 3 : 4) * d * d + (cfg.ttt.use_gate ? d * d : 0) + d * double(s.heads);
  if (cfg.model_type == "gla") return d * (2 * keys + 3 * values) + double(cfg.gla.gate_low_rank_dim) * (d + keys);
  if (cfg.model_type == "linear_attention") return d * (2 * keys + 2 * values);
  if (cfg.model_type == "delta_net") return d * (2 * keys + 2 * values) + d * double(s.heads);
  if (cfg.model_type == "mamba") {
    const double rank = cfg.mamba.dt_rank > 0 ? double(cfg.mamba.dt_rank) : std::ceil(d / 16);
    return 3 * d * values + values * (2 * rank + 2 * double(cfg.mamba.d_state));
  }
  return 4 * d * values + d * double(s.heads);
}

// Numbers of one sample behind so many tokens.
std::int64_t state_of(const LanguageConfig& cfg, const SubLayerShape& sub, std::int64_t context) {
  if (sub.kind == SubLayerShape::attention) {  // keys and values
    const std::int64_t window = cfg.lact.window_size, width = cfg.hidden_size / sub.heads,
                       heads = cfg.has_fast_weights() ? sub.heads : cfg.kv_heads();
    return 2 * heads * width * (window > 0 ? std::min(window, context) : context);
  }
  if (sub.kind == SubLayerShape::mlp) return 0;
  const std::int64_t matrix = sub.heads * sub.head_dim * sub.hidden;
  if (sub.kind == SubLayerShape::fast_weights) return 3 * matrix * (cfg.lact.use_momentum ? 2 : 1);
  if (cfg.model_type != "ttt") return matrix;
  const bool mlp = cfg.ttt.ttt_layer_type == "mlp";  // f x 4 f, 4 f x f, and what is added: 4 f, f
  return mlp ? sub.heads * (8 * sub.head_dim * sub.head_dim + 5 * sub.head_dim) : matrix + sub.heads * sub.head_dim;
}

}  // namespace

Costs costs_of(const LanguageConfig& cfg, std::int64_t samples, std::int64_t context) {
  Costs costs{.tokens = samples * context,
              .width = cfg.hidden_size,
              .blocks = cfg.num_hidden_layers,
              .blocks_key = "model.num_hidden_layers"};
  costs.ends_are_tied = cfg.tie_word_embeddings ? "model.tie_word_embeddings=true" : "";
  const std::int64_t chunk = std::max<std::int64_t>(cfg.lact.lact_chunk_size, 1);
  const std::int64_t updates = (context - 1) / chunk;  // all chunks but the last
  costs.sub_layers = sub_layers(cfg, updates);
  const auto n = double(costs.tokens), d = double(cfg.hidden_size), s = double(samples);
  FlopsOfParts& f = costs.forward;
  f.head.linear = 2 * n * d * double(cfg.vocab_size);
  for (const SubLayerShape& sub : costs.sub_layers) {
    auto heads = double(sub.heads), head = double(sub.head_dim), dh = double(sub.hidden);
    costs.state += state_of(cfg, sub, context);
    if (sub.kind == SubLayerShape::attention) {
      f.block.linear += 4 * n * d * d + 4 * n * d * double(cfg.has_fast_weights() ? d : double(cfg.kv_heads()) * head);
      f.block.attention += 4 * s * seen(context, cfg.lact.window_size) * d;
    } else if (sub.kind == SubLayerShape::mlp) {
      f.block.linear += 6 * n * d * dh;
    } else if (sub.kind == SubLayerShape::recurrent) {  // a token changes a state of head x dh, and reads it
      const double networks = cfg.model_type == "ttt" && cfg.ttt.ttt_layer_type == "mlp" ? 8 : 1;  // f x 4 f, 4 f x f
      f.block.linear += 2 * n * maps_of(cfg, sub);
      f.block.update += (cfg.model_type == "ttt" ? 4 : 2) * n * heads * head * dh * networks;
      f.block.apply += 2 * n * heads * head * dh * networks;
    } else {
      const double per_head = 3 + (cfg.lact.use_momentum ? 1 : 0) + (cfg.lact.learnable_ttt_scale ? 1 : 0);
      f.block.linear += 2 * n * d * heads * per_head;
      const double times = s * double(updates) * heads;
      f.block += fast_weight_flops(times * double(chunk), n * heads, times, head, dh, double(sub.newton_schulz_steps));
    }
  }
  return costs;
}

}  // namespace lact
