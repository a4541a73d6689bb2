// Whether a model sees what comes later: tokens from a cut on are exchanged, and no output before it may move.
#pragma once
#include <functional>

#include "models/language/model.hpp"

namespace lact {

struct CutPoint {
  std::int64_t token = 0;   // the first that is exchanged
  double before = 0;        // how far outputs before it moved, at most; NaN where one is not finite
  double behind = 0;        // and those from it on, which must move, or the cut shows nothing
  std::int64_t first = -1;  // the first token whose output moved
  bool leaks() const { return !(before == 0); }
  bool shows() const { return behind > 0; }
  bool ok() const { return shows() && !leaks(); }
};

// tokens i32 [1, t] -> an output per token, [1, t, n].
using OutputsOfTokens = std::function<Tensor(const Tensor& tokens)>;
// At each cut all tokens from it on become others.
std::vector<CutPoint> cut_at(const OutputsOfTokens& outputs, const Tensor& tokens, std::span<const std::int64_t> cuts,
                             std::int64_t vocabulary);

// Cuts at the borders of the chunks, mini-batches and windows of a model, beside them, and at the last token, of so
// many tokens; ascending.
std::vector<std::int64_t> cuts_of(const LanguageConfig& cfg, std::int64_t tokens);
// Logits of all tokens at once, as in training.
OutputsOfTokens outputs_of(LanguageModel& model, Ctx c);
// Every token is another one than that before it.
Tensor tokens_to_cut(Device& d, std::int64_t tokens, std::int64_t vocabulary);

}  // namespace lact
