#include "layers/recurrent/shared_sequence.hpp"

#include "autograd/ops.hpp"
#include "base/check.hpp"

namespace lact {

Var rows_of_rank(const Var& y, const TokenLayout& tokens) {
  const std::vector<Range>& mine = tokens.mine();
  return mine.empty() ? cut(y, 1, {0, 0}) : gather_rows(y, mine);
}

std::int64_t heads_of_rank(std::int64_t heads, int tp, std::string_view layer) {
  check(heads > 0, "{} of {} heads", layer, heads);
  check(heads % tp == 0, "{} heads of {} do not divide over {} ranks of tp", heads, layer, tp);
  return heads / tp;
}

Var by_head(const Var& x, std::int64_t heads) { return view(x, {x.dim(0), x.dim(1), heads, x.dim(2) / heads}); }

Var heads_joined(const Var& x) { return view(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)}); }

}  // namespace lact
