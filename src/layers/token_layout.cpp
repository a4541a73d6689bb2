#include "layers/token_layout.hpp"

#include <algorithm>
#include <map>

#include "autograd/collectives.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"

namespace lact {

std::int64_t total(std::span<const Range> ranges) {
  std::int64_t n = 0;
  for (const Range& r : ranges) n += r.size();
  return n;
}

std::vector<Range> part_of(std::span<const Range> ranges, Range numbers) {
  std::vector<Range> out;
  std::int64_t before = 0;
  for (const Range& r : ranges) {
    Range part{std::max(r.begin, r.begin + numbers.begin - before), std::min(r.end, r.begin + numbers.end - before)};
    if (!part.empty()) out.push_back(part);
    before += r.size();
  }
  return out;
}

TokenLayout TokenLayout::whole(std::int64_t tokens) {
  TokenLayout layout;
  layout.tokens = tokens;
  layout.of_rank = {{{0, tokens}}};
  return layout;
}

TokenLayout TokenLayout::alike(std::int64_t tokens, const Mesh& mesh) {
  TokenLayout layout = whole(tokens);
  layout.tp_rank = mesh.at(Axis::tp), layout.tp = mesh.grid().size[std::size_t(Axis::tp)];
  return layout;
}

TokenLayout TokenLayout::of(const TttPlan& plan, std::int64_t tokens, const Mesh& mesh) {
  TokenLayout layout;
  layout.tokens = tokens;
  layout.cp_rank = mesh.at(Axis::cp), layout.tp_rank = mesh.at(Axis::tp);
  layout.tp = mesh.grid().size[std::size_t(Axis::tp)];
  int ranks = mesh.grid().size[std::size_t(Axis::cp)];
  for (int r = 0; r < ranks; ++r) layout.of_rank.push_back(share(plan, tokens, r, ranks));
  return layout;
}

std::int64_t TokenLayout::held() const { return total(mine()); }

std::vector<std::int64_t> TokenLayout::counts() const {
  std::vector<std::int64_t> n;
  for (const auto& ranges : of_rank) n.push_back(total(ranges));
  return n;
}

std::vector<Range> TokenLayout::rows() const { return part_of(mine(), even_part(held(), tp_rank, tp)); }

bool TokenLayout::whole_spans(std::int64_t span) const {
  for (const std::vector<Range>& ranges : of_rank)
    for (const Range& r : ranges)
      if (r.begin % span != 0 || r.end % span != 0) return false;
  return true;
}

Var gather_tokens(Ctx& c, const Var& x, std::int64_t tokens) {
  Communicator& tp = c.mesh.along(Axis::tp);
  return tp.size() == 1 ? x : gather(x, 1, tp, even_counts(tokens, tp.size()));
}

Var scatter_tokens(Ctx& c, const Var& partial) {
  Communicator& tp = c.mesh.along(Axis::tp);
  if (tp.size() == 1) return partial;
  const DType type = partial.value().dtype(), summed = type == DType::bf16 ? DType::f32 : type;
  return cast(scatter_sum(cast(partial, summed), 1, tp, even_counts(partial.dim(1), tp.size())), type);
}

Var in_sequence_order(const Var& rows, const TokenLayout& tokens) {
  std::map<std::int64_t, Var> by_place;
  std::int64_t row = 0;
  for (const auto& ranges : tokens.of_rank)
    for (const Range& r : ranges) by_place[r.begin] = cut(rows, 1, {row, row + r.size()}), row += r.size();
  if (by_place.empty()) return rows;  // a sequence may be empty
  std::vector<Var> in_order;
  for (const auto& [place, part] : by_place) in_order.push_back(part);
  return join(in_order, 1);
}

Var whole_sequence(Ctx& c, const Var& x, const TokenLayout& tokens) {
  const Var held = gather_tokens(c, x, tokens.held());
  if (tokens.of_rank.size() == 1) return held;
  return in_sequence_order(gather(held, 1, c.mesh.along(Axis::cp), tokens.counts()), tokens);
}

}  // namespace lact
