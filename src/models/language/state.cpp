#include "models/language/state.hpp"

#include "models/language/config.hpp"

namespace lact {
namespace {

class Parts {
 public:
  Parts(std::int64_t position, const LanguageConfig& cfg, std::vector<StatePart>& out)
      : position_(position), cfg_(cfg), out_(out) {}
  void begin(const std::string& prefix) { prefix_ = prefix; }

  void before_block(Var& inputs) { var("before", inputs, -1); }
  void operator()(AttentionState& s) {
    s.tokens = position_;
    buffer("keys", s.keys, s.kept(cfg_.lact.window_size), 1);
    buffer("values", s.values, s.kept(cfg_.lact.window_size), 1);
  }
  void operator()(CausalLactState& s) {
    (*this)(s.attention);
    weights("weights.", s.weights.applied, nullptr);
    if (cfg_.lact.ttt_prenorm) weights("sum.", s.weights.sum, &s.weights.applied);
    if (cfg_.lact.use_momentum) weights("momentum.", s.weights.momentum, &s.weights.applied);
    s.waiting = position_ % cfg_.lact.lact_chunk_size;
    buffer("chunk.k", s.k, s.waiting, 0);
    buffer("chunk.v", s.v, s.waiting, 0);
    buffer("chunk.rates", s.rates, s.waiting, 0);
  }
  void operator()(MiniBatchTtt::State& s) {
    s.inner.offset = position_;
    auto all = [this](const std::string& of, InnerWeights& w, InnerWeights* like) {
      var(of + "w1", w.w1, 0, like != nullptr ? &like->w1 : nullptr);
      var(of + "w2", w.w2, 0, like != nullptr ? &like->w2 : nullptr);
      var(of + "b2", w.b2, 0, like != nullptr ? &like->b2 : nullptr);
    };
    all("start.", s.inner.start, nullptr);
    all("sums.", s.inner.sums, &s.inner.start);
    var("convolution", s.seen, 2);
  }
  void operator()(GlaState& s) { var("memory", s.memory, 1); }
  void operator()(LinearAttentionState& s) {
    s.waiting = position_ % cfg_.linear_attention.chunk_size;
    var("memory", s.memory, 1);
    if (cfg_.linear_attention.chunk_size > 1) var("open", s.open, 1);
  }
  void operator()(Mamba2State& s) { var("memory", s.memory, 1); }
  void operator()(DeltaNetState& s) {
    var("convolution.q", s.q_inputs, 2);
    var("convolution.k", s.k_inputs, 2);
    var("convolution.v", s.v_inputs, 2);
    var("memory", s.memory, 1);
  }
  void operator()(MambaState& s) {
    var("convolution", s.inputs, 2);
    var("memory", s.memory, 1);
  }

 private:
  void var(const std::string& name, Var& v, int heads_dim, const Var* like = nullptr) {
    out_.push_back({.name = prefix_ + name, .value = &v, .like = like, .heads_dim = heads_dim});
  }
  void weights(const std::string& of, FastWeights& w, const FastWeights* like) {
    var(of + "w0", w.w0, 0, like != nullptr ? &like->w0 : nullptr);
    var(of + "w1", w.w1, 0, like != nullptr ? &like->w1 : nullptr);
    var(of + "w2", w.w2, 0, like != nullptr ? &like->w2 : nullptr);
  }
  void buffer(const std::string& name, TokenBuffer& b, std::int64_t kept, int heads_dim) {
    out_.push_back({.name = prefix_ + name, .buffer = &b, .kept = kept, .heads_dim = heads_dim});
  }

  std::int64_t position_;
  const LanguageConfig& cfg_;
  std::vector<StatePart>& out_;
  std::string prefix_;
};

}  // namespace

std::vector<StatePart> parts_of(LanguageState& state, const LanguageConfig& cfg) {
  std::vector<StatePart> out;
  Parts parts(state.position, cfg, out);
  for (std::size_t i = 0; i < state.blocks.size(); ++i) {
    parts.begin(std::to_string(i) + ".");
    if (cfg.pre_conv) parts.before_block(state.blocks[i].before);
    std::visit(parts, state.blocks[i].layer);
    if (!state.blocks[i].window) continue;
    parts.begin(std::to_string(i) + ".window.");
    parts(*state.blocks[i].window);
  }
  return out;
}

Tensor StatePart::numbers() const {
  if (value != nullptr) return *value ? value->value() : Tensor();
  return kept > 0 ? buffer->part({0, kept}) : Tensor();
}

}  // namespace lact
