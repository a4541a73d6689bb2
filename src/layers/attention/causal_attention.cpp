#include "layers/attention/causal_attention.hpp"

#include <cmath>

#include "base/check.hpp"
#include "kernels/tokens.hpp"
#include "layers/fast_weights/by_heads.hpp"

namespace lact {

Var grouped(const Var& x, std::int64_t heads) {
  const std::int64_t kv_heads = x.dim(1);
  if (kv_heads == heads) return x;
  check(kv_heads > 0 && heads % kv_heads == 0, "{} heads of queries do not share {} heads of keys evenly", heads,
        kv_heads);
  const Shape each{x.dim(0), kv_heads, heads / kv_heads, x.dim(2), x.dim(3)};
  return view(expand(view(x, {x.dim(0), kv_heads, 1, x.dim(2), x.dim(3)}), each),
              {x.dim(0), heads, x.dim(2), x.dim(3)});
}

Tensor positions_of(const TokenLayout& tokens, Device& d, std::int64_t before) {
  const Tensor places = Tensor::empty(d, {tokens.held()}, DType::i32);
  std::int64_t at = 0;
  for (const Range& r : tokens.mine()) {
    if (r.empty()) continue;
    kernels::positions(places.cut(0, {at, at + r.size()}), before + r.begin, before + tokens.tokens);
    at += r.size();
  }
  return places;
}

Var causal_attention(Ctx& c, const Heads& x, const TokenLayout& tokens, std::int64_t window) {
  const std::int64_t b = x.q.dim(0), heads = x.q.dim(1), d = x.q.dim(3), dv = x.v.dim(3);
  const Var k = grouped(x.k, heads), v = grouped(x.v, heads);
  const double scale = 1 / std::sqrt(double(d));
  const Mask mask{.causal = true, .window = window};
  if (tokens.of_rank.size() == 1) return attention(x.q, k, v, scale, mask);
  const HeadExchange exchange(c, tokens, b * heads);
  const Var held = view(join({x.q, k, v}, 3), {b * heads, x.q.dim(2), 2 * d + dv});
  const Var whole = exchange.whole_sequence_of_own(held);
  auto part = [&](Range channels) {
    return view(cut(whole, 2, channels), {whole.dim(0), 1, whole.dim(1), channels.size()});
  };
  const Var o = attention(part({0, d}), part({d, 2 * d}), part({2 * d, 2 * d + dv}), scale, mask);
  return view(exchange.to_holders(view(o, {o.dim(0), o.dim(2), dv}), tokens.of_rank), {b, heads, x.q.dim(2), dv});
}

}  // namespace lact
