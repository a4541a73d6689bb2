// Layers over ranks of cp and tp against the same layers on one rank, in f64: outputs, states, gradients of inputs and
// of weights, for every product of cp and tp, every kind of plan, uneven shares and ranks without tokens.
#include <numeric>

#include "layers/attention/rotary_attention.hpp"
#include "layers/attention/self_attention.hpp"
#include "layers/fast_weights/causal_lact.hpp"
#include "layers/fast_weights/mini_batch/mini_batch_ttt.hpp"
#include "layers/fast_weights/ttt.hpp"
#include "layers/mlp.hpp"
#include "layers/recurrent/delta_net.hpp"
#include "layers/recurrent/gla.hpp"
#include "layers/recurrent/mamba.hpp"
#include "layers/recurrent/mamba2.hpp"
#include "support/on_ranks.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TttEvent update(std::int64_t begin, std::int64_t end) { return {TttEvent::update, {begin, end}}; }
TttEvent apply(std::int64_t begin, std::int64_t end) { return {TttEvent::apply, {begin, end}}; }

struct Plans {
  std::string name;
  std::int64_t tokens;
  TttPlan plan;
};
std::vector<Plans> plans() {
  return {{"views", 20, plan_views(12, 8)},
          {"causal", 19, plan_causal(19, 4)},
          {"shifted", 12, {apply(0, 12), update(0, 12)}},
          {"overlapping", 17, {update(0, 9), apply(3, 17), update(5, 17), apply(0, 5), apply(0, 5)}},
          {"empty and tiny", 5, {update(0, 0), apply(0, 1), update(0, 1), apply(1, 5), update(2, 5)}},
          {"only updates", 8, {update(0, 8), update(0, 3)}},
          {"nothing", 3, {update(0, 0), apply(0, 0)}}};
}

struct Case {
  std::int64_t items = 4, width = 4, hidden = 12;
  const Plans& plan;
  bool momentum = false;
  CpMode mode = CpMode::tokens;
  bool hidden_split = false;
};

Tensors inputs(const Case& k) {
  auto r = [](const char* name, Shape s) { return random_tensor(s, name, DType::f64); };
  Tensors x{r("w0", {k.items, k.width, k.hidden}), r("w1", {k.items, k.hidden, k.width}),
            r("w2", {k.items, k.width, k.hidden})};
  for (const char* name : {"q", "k", "v"}) x.push_back(r(name, {k.items, k.plan.tokens, k.width}));
  for (const char* name : {"r0", "r1", "r2", "m"}) {
    auto e = r(name, {k.items, k.plan.tokens, 1}).to_doubles();
    for (double& v : e) v = 0.1 + 0.1 * std::abs(v);
    x.push_back(Tensor::of(tested(), {k.items, k.plan.tokens, 1}, std::span<const double>(e), DType::f64));
  }
  return x;
}

FastWeightRun run(Mesh& mesh, const std::vector<Var>& x, const Case& k, const FastWeightLayout& layout) {
  Ctx c{x[0].tape(), tested(), mesh};
  FastWeightTokens t{x[3], x[4], x[5], x[6], x[7], x[8], k.momentum ? x[9] : Var()};
  return run_fast_weights(c, {x[0], x[1], x[2]}, t, k.plan.plan,
                          {.orthogonalise = NewtonSchulz::view_synthesis(5), .detach_targets = false}, layout);
}

// <outputs, u> pulled back; u of the outputs, then of the three states.
Tensors pulled(const FastWeightRun& r, const std::vector<Var>& x, const Tensors& u) {
  std::vector<Var> ys{r.state.w0, r.state.w1, r.state.w2}, dys(u.begin(), u.end());
  if (r.out)
    ys.insert(ys.begin(), r.out);
  else
    dys.erase(dys.begin());
  Tensors out;
  for (const Var& g : x[0].tape()->grad(ys, x, dys)) out.push_back(g ? g.value() : Tensor());
  return out;
}

void compare(const Case& k, const Grid& g) {
  const std::string what = k.plan.name + " " + name_of(g) + (k.momentum ? " momentum" : "") +
                           (k.mode == CpMode::heads ? " heads" : "") + (k.hidden_split ? " hidden" : "");
  const Tensors whole = inputs(k);
  Mesh alone = Mesh::alone(), mesh(g, with_transport(world(), Transport::best, "test"));
  mesh.meet_on(tested());
  Tape one("one"), many("many");
  const std::vector<Var> x = leaves(one, whole);
  const FastWeightRun want = run(alone, x, k, {});
  const std::int64_t out_rows = want.out ? want.out.dim(1) : 0;

  const TokenLayout tokens = TokenLayout::of(k.plan.plan, k.plan.tokens, mesh);
  const int tp = k.hidden_split ? g.size[3] : 1, at = k.hidden_split ? mesh.at(Axis::tp) : 0;
  const Range hidden{k.hidden / tp * at, k.hidden / tp * (at + 1)};
  auto piece = [&](const Tensor& t, std::size_t i) {
    return i < 3 ? t.cut(i == 1 ? 1 : 2, hidden) : rows_of(t, tokens.mine());
  };
  Tensors held;
  for (std::size_t i = 0; i < whole.size(); ++i) held.push_back(piece(whole[i], i));
  const std::vector<Var> mine = leaves(many, held);
  dawdle(mesh.world());
  const FastWeightRun got = run(mesh, mine, k, {.tokens = &tokens, .mode = k.mode, .hidden_split = k.hidden_split});

  // Outputs: the rows of this rank; over tp parts of a sum where the hidden width is cut.
  Communicator& tp_line = mesh.along(k.hidden_split ? Axes(Axis::tp) : Axes());
  const auto my_rows = applied_rows(k.plan.plan, tokens.mine());
  if (want.out) expect_close(summed(got.out.value(), tp_line), rows_of(want.out.value(), my_rows), what + " out");
  expect_close(got.state.w0.value(), piece(want.state.w0.value(), 0), what + " w0");
  expect_close(got.state.w1.value(), piece(want.state.w1.value(), 1), what + " w1");
  expect_close(got.state.w2.value(), piece(want.state.w2.value(), 2), what + " w2");

  // Gradients. The states are on every rank of cp, so their cotangent is put in on the last of them alone.
  Tensors u{random_tensor({k.items, out_rows, k.width}, "u", DType::f64)}, my_u{rows_of(u[0], my_rows)};
  for (std::size_t i = 0; i < 3; ++i) {
    u.push_back(random_tensor(whole[i].shape(), ("u" + std::to_string(i)).c_str(), DType::f64));
    my_u.push_back(piece(u.back(), i));
    if (mesh.at(Axis::cp) + 1 < g.size[2]) my_u.back() = Tensor::zeros(tested(), my_u.back().shape(), DType::f64);
  }
  const Tensors dwant = pulled(want, x, u), dgot = pulled(got, mine, my_u);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (!dwant[i].defined()) continue;
    const std::string name = what + " gradient " + std::to_string(i);
    Tensor gradient = dgot[i].defined() ? dgot[i] : Tensor::zeros(tested(), held[i].shape(), DType::f64);
    // weights are partial over cp; tokens, where the hidden width is cut, over tp
    gradient = summed(gradient, i < 3 ? mesh.along(Axis::cp) : tp_line);
    expect_close(gradient, piece(dwant[i], i), name);
  }
}

TEST(FastWeightsOnRanks, AreThoseOfOneRank) {
  for (const Plans& plan : plans())
    for (const Grid& g : grids()) {
      compare({.plan = plan, .hidden_split = g.size[3] > 1}, g);
      compare({.items = 1, .plan = plan, .momentum = true, .hidden_split = g.size[3] > 1}, g);
    }
}

TEST(FastWeightsOnRanks, AreTheSameByHeads) {
  for (const Plans& plan : plans())
    for (const Grid& g : grids()) {
      for (const std::int64_t items : {2 * g.size[2], g.size[2] + 1})  // even shares, and one that is larger
        for (const bool momentum : {false, true})
          compare({.items = items,
                   .plan = plan,
                   .momentum = momentum,
                   .mode = CpMode::heads,
                   .hidden_split = g.size[3] > 1},
                  g);
      // Ranks without heads. With momentum as above: without it these inputs have a singular value so small that
      // Newton-Schulz amplifies rounding by 1e5, by tokens as by heads.
      compare({.items = 1, .plan = plan, .momentum = true, .mode = CpMode::heads, .hidden_split = g.size[3] > 1}, g);
    }
}

// -- layers with parameters: every grid against one rank

using Layer = std::function<Var(Ctx&, const Var&, const TokenLayout&)>;
using Make = std::function<Layer(ParameterStore&)>;

void compare_layer(const std::string& name, const Make& make, std::int64_t dim, const TttPlan& plan,
                   std::int64_t tokens, const Grid& g) {
  const std::string what = name + " " + name_of(g);
  Mesh alone = Mesh::alone(), mesh(g, with_transport(world(), Transport::best, "test"));
  mesh.meet_on(tested());
  Built one(alone), many(mesh);
  Layer want_layer = make(one.store), got_layer = make(many.store);
  one.lay_out(), many.lay_out();
  const Tensor x = random_tensor({2, tokens, dim}, "x", DType::f64), u = random_tensor(x.shape(), "u", DType::f64);
  const TokenLayout layout = TokenLayout::of(plan, tokens, mesh);
  Tape a("one"), b("many");
  Ctx ca{&a, tested(), alone}, cb{&b, tested(), mesh};
  Tensor dx, my_dx;
  Var xa = a.leaf(x, [&](const Var& d) { dx = d.value(); });
  Var xb = b.leaf(rows_of(x, layout.rows()), [&](const Var& d) { my_dx = d.value(); });
  const Var want = want_layer(ca, xa, TokenLayout::whole(tokens)), got = got_layer(cb, xb, layout);
  dawdle(mesh.world());
  expect_close(got.value(), rows_of(want.value(), layout.rows()), what);
  a.backward(want, u), b.backward(got, rows_of(u, layout.rows()));
  expect_close(my_dx, rows_of(dx, layout.rows()), what + " input gradient");
  for (const Parameter& p : many.store.parameters()) {
    const Parameter& whole = *one.store.find(p.name);
    expect_close(many.store.value(p), piece_of(one.store.value(whole), p, mesh), what + " " + p.name);
    expect_close(many.gradient(p), piece_of(one.store.gradient(whole), p, mesh), what + " gradient of " + p.name);
  }
}

// Views of 4 tokens: as many as ranks, fewer, more, and numbers that do not divide.
TEST(AttentionOnRanks, IsThatOfOneRank) {
  for (const Grid& g : grids())
    for (std::int64_t views : {1, 3, 5, 8})
      for (bool causal : {false, true})
        for (bool all_views : {false, true}) {
          const std::int64_t tokens = 4 * views, inputs = (views + 1) / 2 * 4;
          Make make = [&](ParameterStore& s) -> Layer {
            auto f = std::make_shared<SelfAttention>(Scope(s, "f"), 24, SelfAttentionConfig{2, true, causal, true},
                                                     InitScale{0.3, 0.3});
            return [=](Ctx& c, const Var& x, const TokenLayout& layout) {
              return (*f)(c, x, layout, all_views ? tokens : 4);
            };
          };
          compare_layer(
              "attention of " + std::to_string(views) + (all_views ? " joined" : "") + (causal ? " causal" : ""), make,
              24, plan_views(inputs, tokens - inputs), tokens, g);
        }
}

TEST(MlpOnRanks, IsThatOfOneRank) {
  for (const Grid& g : grids()) {
    Make make = [](ParameterStore& s) -> Layer {
      auto f = std::make_shared<Mlp>(Scope(s, "f"), 5, 2.5 * 24 / 5, true, InitScale{0.3, 0.3});
      return [f](Ctx& c, const Var& x, const TokenLayout& layout) { return (*f)(c, x, layout); };
    };
    for (std::int64_t tokens : {1, 7, 24}) compare_layer("mlp", make, 5, plan_views(tokens, 0), tokens, g);
  }
}

TEST(TttOnRanks, IsThatOfOneRank) {
  for (const Grid& g : grids())
    for (std::int64_t heads : {1, 12})
      for (CpMode mode : {CpMode::tokens, CpMode::heads})
        for (std::int64_t views : {1, 3, 4}) {
          const std::int64_t tokens = 4 * views, inputs = (views + 1) / 2 * 4;
          const TttPlan plan = plan_views(inputs, tokens - inputs);
          Make make = [&](ParameterStore& s) -> Layer {
            auto f = std::make_shared<Ttt>(Scope(s, "f"), 24,
                                           TttConfig{24 / heads, heads == 1 ? 1.0 : 6.0, 0.1, 5, true, mode},
                                           InitScale{0.3, 0.3});
            return [=](Ctx& c, const Var& x, const TokenLayout& layout) { return (*f)(c, x, plan, layout).y; };
          };
          compare_layer("ttt of " + std::to_string(heads) + " heads, " + std::to_string(views) + " views" +
                            (mode == CpMode::heads ? " by heads" : ""),
                        make, 24, plan, tokens, g);
        }
}

// Any layer that goes through a sequence, of which ranks hold parts.
template <class L, class... Sizes>
Make sequence_layer(Sizes... sizes) {
  return [=](ParameterStore& s) -> Layer {
    auto f = std::make_shared<L>(Scope(s, "f"), sizes...);
    return [f](Ctx& c, const Var& x, const TokenLayout& layout) { return (*f)(c, x, layout); };
  };
}

TEST(RotaryAttentionOnRanks, IsThatOfOneRank) {
  for (const Grid& g : grids())
    for (std::int64_t window : {0, 5})
      for (std::int64_t tokens : {1, 7, 24}) {
        const RotaryAttentionConfig cfg{.heads = 24, .kv_heads = 12, .window = window, .rope_theta = 100, .bias = true};
        const Make make = sequence_layer<RotaryAttention>(48, cfg, 0.3);
        compare_layer("rotary attention, window " + std::to_string(window), make, 48, {apply(0, tokens)}, tokens, g);
      }
}

TEST(CausalLactOnRanks, IsThatOfOneRank) {
  const std::int64_t chunk = 5;
  for (const Grid& g : grids())
    for (const CpMode mode : {CpMode::tokens, CpMode::heads})
      for (const bool prenorm : {false, true})
        for (const bool fused : {false, true})
          for (std::int64_t tokens : {3, 17}) {
            CausalLactConfig cfg{.num_attn_heads = 24, .num_lact_heads = 12, .qkv_bias = true, .attn_qk_norm = true};
            cfg.lact_chunk_size = chunk, cfg.window_size = 6, cfg.rope_theta = 100;
            cfg.use_muon = true, cfg.ttt_prenorm = prenorm, cfg.use_fused_kernel = fused;
            cfg.w0_w2_low_rank = fused ? 2 : -1;
            const Make make = sequence_layer<CausalLact>(48, cfg, mode, 0.3);
            compare_layer("causal LaCT by " + std::string(lact::name_of(mode)) + (prenorm ? ", pre-norm" : "") +
                              (fused ? ", fused" : "") + ", " + std::to_string(tokens) + " tokens",
                          make, 48, plan_causal(tokens, chunk), tokens, g);
          }
}

TEST(GatedMlpOnRanks, IsThatOfOneRank) {
  for (const Grid& g : grids()) {
    const Make make = sequence_layer<GatedMlp>(5, 24, 0.3);
    for (std::int64_t tokens : {1, 7, 24}) compare_layer("gated mlp", make, 5, plan_views(tokens, 0), tokens, g);
  }
}

TEST(RecurrentOnRanks, IsThatOfOneRank) {
  const InitScale init{0.3, 0.3};
  const Make gla = sequence_layer<GatedLinearAttention>(24, GlaConfig{.num_heads = 12, .gate_low_rank_dim = 2}, init),
             delta = sequence_layer<DeltaNet>(24, DeltaNetConfig{.num_heads = 12, .conv_size = 3}, init),
             mamba = sequence_layer<Mamba>(12, MambaConfig{.d_state = 3, .expand = 2, .dt_rank = 2}),
             mamba2 = sequence_layer<Mamba2>(12, Mamba2Config{.mamba_heads = 12, .mamba_head_dim = 2}, init);
  const Make both = [init](ParameterStore& s) -> Layer {
    auto f = std::make_shared<BidirectionalMamba2>(Scope(s, "f"), 12,
                                                   Mamba2Config{.mamba_heads = 12, .mamba_head_dim = 2}, init);
    return [f](Ctx& c, const Var& x, const TokenLayout& layout) { return (*f)(c, x, layout, layout.tokens / 2).y; };
  };
  for (const Grid& g : grids())
    for (std::int64_t tokens : {1, 7, 24}) {
      const TttPlan plan = plan_causal(tokens, 4);
      compare_layer("gated linear attention", gla, 24, plan, tokens, g);
      compare_layer("delta net", delta, 24, plan, tokens, g);
      compare_layer("mamba", mamba, 12, plan, tokens, g);
      compare_layer("mamba-2", mamba2, 12, plan, tokens, g);
      compare_layer("bidirectional mamba-2", both, 12, plan, tokens, g);
    }
}

TEST(MiniBatchTttOnRanks, IsThatOfOneRank) {
  for (const Grid& g : grids())
    for (const char* type : {"linear", "mlp"})
      for (bool both : {false, true})
        for (std::int64_t tokens : {1, 7, 22}) {
          MiniBatchTttConfig cfg;
          cfg.ttt_layer_type = type, cfg.mini_batch_size = 4, cfg.share_qk = cfg.use_gate = both;
          cfg.num_attention_heads = g.size[3] == 1 ? 7 : 12;  // over cp some ranks may have one more than others
          const std::int64_t dim = 2 * cfg.num_attention_heads;
          const Make make = sequence_layer<MiniBatchTtt>(dim, cfg);
          compare_layer(std::string(type) + " of mini-batches" + (both ? ", shared and gated" : ""), make, dim,
                        plan_views(tokens, 0), tokens, g);
        }
}

TEST(MiniBatchTttOnRanks, FewerHeadsThanRanksAreRefused) {
  if (world().size() == 1) return;
  const Grid g{{1, 1, world().size(), 1}};
  Mesh mesh(g, with_transport(world(), Transport::best, "test"));
  mesh.meet_on(tested());
  Built many(mesh);
  MiniBatchTttConfig cfg;
  cfg.num_attention_heads = 1;
  const MiniBatchTtt layer(Scope(many.store), 8, cfg);
  many.lay_out();
  Ctx c{nullptr, tested(), mesh};
  const TokenLayout layout = TokenLayout::of(plan_views(12, 0), 12, mesh);
  const Tensor x = random_tensor({1, total(layout.rows()), 8}, "x");
  EXPECT_NE(sentence_of([&] { layer(c, x, layout); }).find("too few"), std::string::npos);
}

}  // namespace
}  // namespace lact
