#include "layers/fast_weights/mini_batch/inner_loop.hpp"

namespace lact {

MiniBatchTokens MiniBatchTokens::part(Range tokens) const {
  auto rows = [&](const Var& x) { return cut(x, 1, tokens); };
  return {rows(q), rows(k), rows(v), rows(rate)};
}

MiniBatchRun run_primal(const MiniBatchState& before, const MiniBatchTokens& x, const MiniBatchRule& rule) {
  const std::int64_t size = rule.size(), tokens = x.q.dim(1);
  MiniBatchRun run{x.q, before};
  if (tokens == 0) return run;
  const std::vector<std::int64_t> each(std::size_t(tokens), 1), scales(std::size_t(size), 1);
  const Var rated = mul(with_one(x.k), x.rate);
  const std::vector<Var> keys = pieces(with_one(x.k), 1, each), queries = pieces(with_one(x.q), 1, each),
                         target = pieces(sub(x.v, x.k), 1, each), rates = pieces(x.rate, 1, each),
                         rated_keys = pieces(rated, 1, each), scale = pieces(rule.position_scale, 0, scales);
  MiniBatchState& s = run.state;
  std::vector<Var> out;
  for (std::size_t i = 0; i < each.size(); ++i, ++s.offset) {
    const auto slot = s.offset % size;
    const Var& amount = scale[std::size_t(slot)];
    s.sums = summed(inner_gradients(s.start, rule.norm, keys[i], target[i], rated_keys[i], rates[i]), s.sums);
    out.push_back(inner_output(s.start, s.sums, amount, queries[i]));
    if (slot + 1 == size) s.start = moved(s.start, s.sums, amount), s.sums = {};
  }
  run.z = join(out, 1);
  return run;
}

}  // namespace lact
