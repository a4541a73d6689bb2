#include "layers/attention/carried_attention.hpp"

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "layers/attention/causal_attention.hpp"

namespace lact {
namespace {

// The places of the tokens [begin, end) in a ring, oldest first.
std::vector<Range> places_of(Range tokens, std::int64_t window) {
  if (tokens.empty()) return {};
  if (window == 0) return {tokens};
  const std::int64_t first = tokens.begin % window, size = tokens.size();
  if (first + size <= window) return {{first, first + size}};
  return {{first, window}, {0, first + size - window}};
}

void keep(TokenBuffer& buffer, const Tensor& x, const AttentionState& state, std::int64_t window) {
  const std::int64_t n = x.dim(2), end = state.tokens + n, wanted = window > 0 ? std::min(end, window) : end;
  if (buffer.room() < wanted) {
    const std::int64_t twice = std::max(wanted, 2 * buffer.room());
    buffer.make_room(window > 0 ? std::min(twice, window) : twice, x, state.kept(window));
  }
  std::int64_t from = window > 0 ? std::max<std::int64_t>(0, n - window) : 0;
  for (const Range& r : places_of({state.tokens + from, end}, window)) {
    buffer.write(r.begin, x.cut(2, {from, from + r.size()}));
    from += r.size();
  }
}

// The kept tokens [begin, end) and x behind them.
Var with_kept(const TokenBuffer& buffer, Range tokens, std::int64_t window, const Var& x) {
  std::vector<Var> all;
  for (const Range& r : places_of(tokens, window)) all.emplace_back(buffer.part(r));
  if (all.empty()) return x;
  all.push_back(x);
  return join(all, 2);
}

// A single query sees all that is kept, so those that share a head of keys are rows of one product. Two products and a
// softmax: tiles of many queries would be nearly empty.
Var of_one_token(const Var& q, const AttentionState& state, std::int64_t window, double scale) {
  const Range kept{0, state.kept(window)};
  const Tensor keys = state.keys.part(kept), values = state.values.part(kept);
  const std::int64_t b = q.dim(0), heads = q.dim(1), kv_heads = keys.dim(1);
  const Var rows = view(q, {b, kv_heads, heads / kv_heads, q.dim(3)});
  return view(matmul(softmax(matmul(rows, keys, Orient::nt), scale), values), {b, heads, 1, values.dim(3)});
}

// Attention over the kept keys and over the new ones, put together by the sums of their weights: w = sum of exp.
Var of_all_before(const Var& q, const Var& k, const Var& v, const AttentionState& state, double scale) {
  const std::int64_t heads = q.dim(1);
  const Range kept{0, state.tokens};
  struct Part {
    Tensor o, lse;
  };
  auto part = [&](const Var& keys, const Var& values, Mask mask) {
    const Var ks = grouped(keys, heads), vs = grouped(values, heads);
    Part p{like(q.value(), {q.dim(0), heads, q.dim(2), vs.dim(3)}),
           Tensor::empty(q.value().device(), {q.dim(0), heads, q.dim(2)}, widened(q).value().dtype())};
    kernels::attention(p.o, p.lse, q.value(), ks.value(), vs.value(), scale, mask);
    return p;
  };
  const Part before = part(Var(state.keys.part(kept)), Var(state.values.part(kept)), {}),
             own = part(k, v, {.causal = true});
  const Var share = view(sigmoid(sub(before.lse, own.lse)), {q.dim(0), heads, q.dim(2), 1});
  return cast(add(widened(own.o), mul(sub(widened(before.o), widened(own.o)), share)), q.value().dtype());
}

// A causal mask takes query i and key i for the same token, so the queries begin with zeros for the kept tokens; their
// results are left out.
Var of_window(const Var& q, const Var& k, const Var& v, const AttentionState& state, std::int64_t window,
              double scale) {
  const std::int64_t n = q.dim(2), heads = q.dim(1), old = window > 0 ? std::min(state.tokens, window - 1) : 0;
  const Range before{state.tokens - old, state.tokens};
  const Var keys = grouped(with_kept(state.keys, before, window, k), heads),
            values = grouped(with_kept(state.values, before, window, v), heads);
  const Var all = old > 0 ? pad(q, 2, {old, old + n}, old + n) : q;
  const Var o = attention(all, keys, values, scale, {.causal = true, .window = window});
  return old > 0 ? cut(o, 2, {old, old + n}) : o;
}

}  // namespace

Var carried_attention(const Heads& x, std::int64_t window, AttentionState& state) {
  const std::int64_t n = x.q.dim(2);
  const double scale = 1 / std::sqrt(double(x.q.dim(3)));
  auto keep_all = [&] {
    keep(state.keys, x.k.value(), state, window);
    keep(state.values, x.v.value(), state, window);
    state.tokens += n;
  };
  if (n == 1) {
    keep_all();
    return of_one_token(x.q, state, window, scale);
  }
  const bool apart = window == 0 && state.tokens > 0;
  const Var o = apart ? of_all_before(x.q, x.k, x.v, state, scale) : of_window(x.q, x.k, x.v, state, window, scale);
  keep_all();
  return o;
}

}  // namespace lact
