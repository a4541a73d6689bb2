// What the reference files of language models share.
#pragma once
#include "models/language/model.hpp"
#include "verify/golden/golden.hpp"

namespace lact::golden {

// i32 [samples, context]: each token's target is the one behind it, the last has none. Tokens beyond the vocabulary are
// an error.
Batch next_tokens(const Tensor& tokens, std::int64_t vocabulary);
// x is what comes out of the last block: PREFIX + logits and loss, and the gradients of all parameters.
void compare_head(Case& c, const std::string& prefix, LanguageModel& model, ParameterStore& store, Ctx& ctx,
                  const Var& x, const Batch& b);

}  // namespace lact::golden
