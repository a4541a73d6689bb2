#include "models/language/causality.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/check.hpp"
#include "base/random.hpp"

namespace lact {
namespace {

Tensor tokens_on(Device& d, const std::vector<std::int32_t>& tokens) {
  return Tensor::of(d, {1, std::int64_t(tokens.size())}, std::span<const std::int32_t>(tokens));
}

// Which of the outputs of so many tokens differ, and by how much.
CutPoint moved(const std::vector<double>& a, const std::vector<double>& b, std::int64_t cut, std::int64_t tokens) {
  CutPoint point{.token = cut};
  const std::int64_t width = std::int64_t(a.size()) / tokens;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double by = std::abs(a[i] - b[i]);
    if (by == 0) continue;
    const std::int64_t token = std::int64_t(i) / width;
    if (point.first < 0) point.first = token;
    double& most = token < cut ? point.before : point.behind;
    if (!(by <= most)) most = std::isnan(most) ? most : by;  // NaN stays
  }
  return point;
}

}  // namespace

Tensor tokens_to_cut(Device& d, std::int64_t tokens, std::int64_t vocabulary) {
  check(vocabulary > 1, "a vocabulary of {} tokens leaves none to exchange", vocabulary);
  const std::uint64_t key = random_key(0, "causality");
  std::vector<std::int32_t> out;
  for (std::int64_t i = 0; i < tokens; ++i)
    out.push_back(std::int32_t(random_bits(key, i) % std::uint64_t(vocabulary)));
  return tokens_on(d, out);
}

std::vector<CutPoint> cut_at(const OutputsOfTokens& outputs, const Tensor& tokens, std::span<const std::int64_t> cuts,
                             std::int64_t vocabulary) {
  const std::vector<double> ids = tokens.to_doubles(), as_they_are = outputs(tokens).to_doubles();
  std::vector<CutPoint> points;
  for (const std::int64_t cut : cuts) {
    check(cut > 0 && cut < tokens.dim(1), "a cut at token {} of {} has nothing before it or behind", cut,
          tokens.dim(1));
    std::vector<std::int32_t> others;
    for (const double id : ids) {
      const bool exchanged = std::int64_t(others.size()) >= cut;
      others.push_back(std::int32_t((std::int64_t(id) + (exchanged ? 1 : 0)) % vocabulary));
    }
    points.push_back(moved(as_they_are, outputs(tokens_on(tokens.device(), others)).to_doubles(), cut, tokens.dim(1)));
  }
  return points;
}

std::vector<std::int64_t> cuts_of(const LanguageConfig& cfg, std::int64_t tokens) {
  std::set<std::int64_t> cuts{1, tokens / 2, tokens - 1};
  auto around = [&](std::int64_t border) {
    for (const std::int64_t cut : {border - 1, border, border + 1, border + border / 2, 2 * border}) cuts.insert(cut);
  };
  if (cfg.has_fast_weights()) around(cfg.lact.lact_chunk_size);
  if (cfg.model_type == "ttt") around(cfg.ttt.mini_batch_size);
  if (cfg.model_type == "linear_attention") around(cfg.linear_attention.chunk_size);
  if (cfg.attends() && cfg.lact.window_size > 0) around(cfg.lact.window_size);
  std::vector<std::int64_t> possible;
  for (const std::int64_t cut : cuts)
    if (cut > 0 && cut < tokens) possible.push_back(cut);
  return possible;
}

OutputsOfTokens outputs_of(LanguageModel& model, Ctx c) {
  return [&model, c](const Tensor& tokens) {
    Ctx own = c.on(nullptr);
    Batch b;
    b.tensors["tokens"] = tokens;
    Var x = model.embed(own, b);
    for (int i = 0; i < model.blocks(); ++i) x = model.block(own, i, x, b);
    return model.logits(own, x, b).value();
  };
}

}  // namespace lact
