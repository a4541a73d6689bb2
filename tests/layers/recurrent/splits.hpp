// Sequences cut in every way that matters: at once, near pieces' borders, with nothing between, token by token.
#pragma once
#include <vector>

#include "autograd/ops.hpp"
#include "support/layer_bench.hpp"

namespace lact {

inline std::vector<std::vector<std::int64_t>> splits_of(std::int64_t tokens) {
  std::vector<std::int64_t> each;
  for (std::int64_t t = 0; t <= tokens; ++t) each.push_back(t);
  return {{0, tokens}, {0, 1, tokens}, {0, tokens / 2, tokens / 2, tokens}, {0, 3, tokens - 2, tokens}, each};
}

// f(layer's context, part of x, a state that is carried) joined over the parts is f of the whole, for every split; so
// is what `kept` says of the state.
template <class State, class F, class Kept>
void expect_any_split_is_the_same(Bench& b, const Tensor& x, F f, Kept kept, double bound = 1e-12) {
  Ctx c = b.on(nullptr);
  State whole;
  const Tensor want = f(c, Var(x), whole).value();
  for (const auto& borders : splits_of(x.dim(1))) {
    State state;
    std::vector<Var> parts;
    for (std::size_t i = 0; i + 1 < borders.size(); ++i)
      parts.push_back(f(c, Var(x.cut(1, {borders[i], borders[i + 1]})), state));
    EXPECT_LE(difference(join(parts, 1).value(), want), bound) << borders.size() << " borders";
    const std::vector<Var> mine = kept(state), wanted = kept(whole);
    for (std::size_t i = 0; i < mine.size(); ++i)
      EXPECT_LE(difference(mine[i].value(), wanted[i].value()), bound) << "state " << i;
  }
}

}  // namespace lact
