// Decoding with bf16 activations, on a GPU: split or at once, logits are as far from those of fp32 as rounding takes
// them.
#include <gtest/gtest.h>

#include "models/language/causality.hpp"
#include "models/language/small_models.hpp"

namespace lact {
namespace {

LanguageConfig small(const std::string& type) {
  LanguageConfig cfg = small_model(type, 2, 64);
  cfg.vocab_size = 29, cfg.intermediate_size = 64;
  cfg.initializer_range = 0.1;
  cfg.mamba.d_state = 16;
  cfg.mamba2.mamba_head_dim = 32;
  return cfg;
}

void expect_as_near_as_at_once(const LanguageConfig& cfg, const std::string& what) {
  Mesh mesh = Mesh::alone();
  ParameterStore store;
  LanguageModel model(store, cfg);
  store.lay_out(tested(), mesh, 3);
  Ctx wide{nullptr, tested(), mesh}, low = wide;
  low.activations = DType::bf16;
  const Tensor tokens = tokens_to_cut(tested(), 17, cfg.vocab_size);
  const Tensor exact = outputs_of(model, wide)(tokens), whole = outputs_of(model, low)(tokens);
  const double rounding = difference(whole, exact);
  EXPECT_GT(rounding, 0) << what;
  LanguageState state;
  std::int64_t at = 0;
  for (const std::int64_t n : {3, 1, 1, 1, 9, 2}) {
    const Range r{at, at + n};
    at = r.end;
    const Tensor got = model.advance(low, tokens.cut(1, r), state, LanguageModel::Logits::of_all);
    // other orders of rounding: no systematic error, so not far beyond that of the whole sequence
    EXPECT_LE(difference(got, exact.cut(1, r)), 4 * rounding) << what << " up to token " << at;
  }
}

TEST(Bf16State, IsAsNearToFp32AsTheWholeSequence) {
  for (const char* type : language_model_types) expect_as_near_as_at_once(small(type), type);
  LanguageConfig all_before = small("transformer");
  all_before.lact.window_size = 0, all_before.num_kv_heads = 1;
  expect_as_near_as_at_once(all_before, "transformer without a limit, one head of keys");
}

}  // namespace
}  // namespace lact
