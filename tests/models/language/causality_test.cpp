// A proof that no output moves before what was changed: it must pass every kind of layer, and find a leak.
#include "models/language/causality.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "autograd/ops.hpp"
#include "models/language/small_models.hpp"

namespace lact {
namespace {

LanguageConfig small(const std::string& type) {
  LanguageConfig cfg = small_model(type, 2, 16);
  cfg.lact.lact_chunk_size = 6;
  cfg.mamba2.mamba_head_dim = 8;
  return cfg;
}

struct Built {
  explicit Built(const LanguageConfig& config) : cfg(config), model(store, cfg) { store.lay_out(tested(), mesh, 3); }
  OutputsOfTokens outputs() { return outputs_of(model, {nullptr, tested(), mesh}); }
  LanguageConfig cfg;
  Mesh mesh = Mesh::alone();
  ParameterStore store;
  LanguageModel model;
};

TEST(Causality, HoldsForEveryKindOfLayer) {
  constexpr std::int64_t tokens = 27;
  for (const char* type : language_model_types) {
    Built built(small(type));
    const auto cuts = cuts_of(built.cfg, tokens);
    const auto points = cut_at(built.outputs(), tokens_to_cut(tested(), tokens, 13), cuts, 13);
    ASSERT_EQ(points.size(), cuts.size());
    for (const CutPoint& p : points) {
      EXPECT_TRUE(p.ok()) << type << " cut at " << p.token << ": " << p.before << " before it, " << p.behind
                          << " behind";
      EXPECT_EQ(p.first, p.token) << type;
    }
  }
}

TEST(Causality, FindsWhatLeaks) {
  Built built(small("gla"));
  const OutputsOfTokens honest = built.outputs();
  const Tensor tokens = tokens_to_cut(tested(), 27, 13);
  // Output i of this one is that of token i + 1: it sees one token too many.
  const OutputsOfTokens ahead = [&](const Tensor& t) {
    const Var y = honest(t);
    return join({cut(y, 1, {1, 27}), cut(y, 1, {0, 1})}, 1).value();
  };
  // A mean over all tokens, far below the outputs.
  const OutputsOfTokens mean = [&](const Tensor& t) {
    const Var y = honest(t);
    return add(y, scale(sum_to(y, {1, 1, 13}), 1e-5)).value();
  };
  const OutputsOfTokens broken = [&](const Tensor& t) { return scale(honest(t), std::nan("")).value(); };
  const OutputsOfTokens deaf = [&](const Tensor&) { return honest(tokens); };
  const auto cuts = cuts_of(built.cfg, 27);
  for (const CutPoint& p : cut_at(ahead, tokens, cuts, 13)) EXPECT_TRUE(p.leaks() && p.first == p.token - 1) << p.token;
  for (const CutPoint& p : cut_at(mean, tokens, cuts, 13)) EXPECT_TRUE(p.leaks() && p.before < p.behind) << p.token;
  for (const CutPoint& p : cut_at(broken, tokens, cuts, 13)) EXPECT_FALSE(p.ok()) << p.token;
  for (const CutPoint& p : cut_at(deaf, tokens, cuts, 13)) EXPECT_TRUE(!p.leaks() && !p.shows() && !p.ok()) << p.token;
}

TEST(Causality, CutsStandAtTheBorders) {
  const LanguageConfig cfg = small("lact_swiglu");
  const std::vector<std::int64_t> cuts = cuts_of(cfg, 27);
  for (const std::int64_t cut : {1, 3, 4, 5, 6, 7, 9, 12, 26})
    EXPECT_NE(std::ranges::find(cuts, cut), cuts.end()) << cut;
  EXPECT_EQ(cuts_of(cfg, 2), std::vector<std::int64_t>{1});
  EXPECT_TRUE(cuts_of(cfg, 1).empty());
  const OutputsOfTokens none = [](const Tensor& t) { return t; };
  EXPECT_THROW(cut_at(none, tokens_to_cut(tested(), 3, 13), std::vector<std::int64_t>{3}, 13), Error);
}

}  // namespace
}  // namespace lact
