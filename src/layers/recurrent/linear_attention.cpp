#include "layers/recurrent/linear_attention.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "kernels/recurrence.hpp"
#include "layers/recurrent/pieces.hpp"

namespace lact {
namespace {

std::int64_t piece_of(std::int64_t tokens, std::int64_t wanted, std::int64_t otherwise) {
  check(wanted >= 0 && wanted <= kernels::longest_piece, "pieces of {} tokens; at most {} are computed at once", wanted,
        kernels::longest_piece);
  return std::clamp<std::int64_t>(wanted > 0 ? wanted : otherwise, 1, std::max<std::int64_t>(1, tokens));
}

void check_tokens(const Var& q, const Var& k, const Var& v, const Var& state, std::string_view what) {
  check(q.shape().size() == 4 && v.shape().size() == 4 && q.shape() == k.shape() && q.dim(0) == v.dim(0) &&
            q.dim(1) == v.dim(1) && q.dim(2) == v.dim(2),
        "{} of queries {}, keys {} and values {}", what, text_of(q.shape()), text_of(k.shape()), text_of(v.shape()));
  const Shape want{q.dim(0), q.dim(2), q.dim(3), v.dim(3)};
  check(!state || state.shape() == want, "{} goes on from a state {}, not {}", what, text_of(want),
        state ? text_of(state.shape()) : "");
}

// One gate for all key channels: the decay of a pair multiplies its score.
Var scores_of(const Var& q, const Var& k, const Var& g) {
  if (g.dim(2) == q.dim(2)) return decayed_scores(q, k, g);
  const Var one = ones_like(g);
  return mul(matmul(q, k, Orient::nt), decayed_scores(one, one, g));
}

}  // namespace

Recurrence gated_linear_attention(const Var& q, const Var& k, const Var& v, const Var& g, double c, const Var& state,
                                  std::int64_t wanted) {
  check_tokens(q, k, v, state, "gated linear attention");
  const bool one_gate = g.shape().size() == 4 && g.dim(3) == 1;
  check(g.shape().size() == 4 && g.dim(0) == q.dim(0) && g.dim(1) == q.dim(1) && g.dim(2) == q.dim(2) &&
            (one_gate || g.dim(3) == q.dim(3)),
        "gates {} for keys {}", text_of(g.shape()), text_of(k.shape()));
  const std::int64_t n = piece_of(q.dim(1), wanted, one_gate ? 64 : 16);
  const Pieces pieces{q.dim(0), q.dim(1), q.dim(2), n, Pieces::Order::by_head};
  const std::int64_t count = pieces.count(), heads = q.dim(0) * q.dim(2), d = q.dim(3), dv = v.dim(3), r = g.dim(3);
  auto cut_up = [&](const Var& x) { return pieces.cut_up(widened(x)); };
  const Var qs = scale(cut_up(q), c), ks = cut_up(k), vs = cut_up(v), gs = cut_up(g);
  const Var before = state ? widened(state) : zero_state(widened(k), v);
  // [pieces, n, r]: what a token has decayed since the start of its piece, and what is left of it at the end
  const Var since_start = linear_scan(gs, {}, false);
  const Var to_end = pad(cut(linear_scan(gs, {}, true), 1, {1, n}), 1, {0, n - 1}, n);
  const Var added = matmul(mul(ks, exp(to_end)), vs, Orient::tn);  // [pieces, d, dv]
  const Var whole = exp(view(cut(since_start, 1, {n - 1, n}), {heads, count, r}));
  const Var first = view(before, {heads, 1, d * dv});
  const Var decay =
      join({ones_like(Var(Tensor::empty(g.value().device(), {heads, 1, r}, gs.value().dtype()))), whole}, 1);
  const Var states = linear_scan(join({first, view(added, {heads, count, d * dv})}, 1), decay, false);
  const Var at_start = view(cut(states, 1, {0, count}), {heads * count, d, dv});
  const Var inside = matmul(scores_of(qs, ks, gs), vs);
  const Var o = matmul_add(inside, 1, mul(qs, exp(since_start)), at_start, 1);
  return {pieces.put_together(o), view(cut(states, 1, {count, count + 1}), before.shape())};
}

namespace {

// The per-token recurrence in pieces: nothing is forgotten.
Recurrence token_recurrence(const Var& q, const Var& k, const Var& v, double c, Reads reads, const Var& state) {
  const Var kw = widened(k), vw = widened(v);
  const Var never = Tensor::zeros(k.value().device(), {q.dim(0), q.dim(1), q.dim(2), 1}, kw.value().dtype());
  if (reads == Reads::after || q.dim(1) == 0) return gated_linear_attention(q, kw, vw, never, c, state);
  // every token sees what the one before it left: keys and values one later, and the last ones added behind
  const std::int64_t t = q.dim(1);
  auto later = [t](const Var& x) { return pad(cut(x, 1, {0, t - 1}), 1, {1, t}, t); };
  Recurrence r = gated_linear_attention(q, later(kw), later(vw), never, c, state);
  auto last = [t](const Var& x) { return permute(cut(x, 1, {t - 1, t}), {0, 2, 1, 3}); };  // [b, h, 1, channels]
  r.state = add(r.state, matmul(last(kw), last(vw), Orient::tn));
  return r;
}

}  // namespace

Recurrence chunk_recurrence(const Var& q, const Var& k, const Var& v, double c, std::int64_t chunk, Reads reads,
                            const Var& state) {
  check_tokens(q, k, v, state, "a chunk recurrence");
  check(chunk > 0, "chunks of {} tokens", chunk);
  if (chunk == 1) return token_recurrence(q, k, v, c, reads, state);
  const Pieces pieces{q.dim(0), q.dim(1), q.dim(2), std::min(chunk, std::max<std::int64_t>(1, q.dim(1))),
                      Pieces::Order::by_head};
  const std::int64_t count = pieces.count(), heads = q.dim(0) * q.dim(2), d = q.dim(3), dv = v.dim(3);
  const Var before = state ? widened(state) : zero_state(widened(k), v);
  const Var added = matmul(pieces.cut_up(widened(k)), pieces.cut_up(widened(v)), Orient::tn);
  const Var states =
      linear_scan(join({view(before, {heads, 1, d * dv}), view(added, {heads, count, d * dv})}, 1), {}, false);
  const std::int64_t first = reads == Reads::after ? 1 : 0;
  const Var read = view(cut(states, 1, {first, first + count}), {heads * count, d, dv});
  return {pieces.put_together(matmul(scale(pieces.cut_up(widened(q)), c), read)),
          view(cut(states, 1, {count, count + 1}), before.shape())};
}

Recurrence delta_rule(const Var& q, const Var& k, const Var& v, const Var& beta, double c, const Var& state,
                      std::int64_t wanted) {
  check_tokens(q, k, v, state, "the delta rule");
  check(beta.shape() == Shape{q.dim(0), q.dim(1), q.dim(2)}, "rates {} for keys {}", text_of(beta.shape()),
        text_of(k.shape()));
  const std::int64_t n = piece_of(q.dim(1), wanted, 64);
  const Pieces pieces{q.dim(0), q.dim(1), q.dim(2), n, Pieces::Order::by_piece};
  const std::int64_t heads = q.dim(0) * q.dim(2), d = q.dim(3), dv = v.dim(3);
  auto cut_up = [&](const Var& x) { return pieces.cut_up(widened(x)); };
  const Var rates = cut_up(view(beta, {q.dim(0), q.dim(1), q.dim(2), 1}));
  const Var qs = scale(cut_up(q), c), ks = cut_up(k), rated_keys = mul(ks, rates), rated_values = mul(cut_up(v), rates);
  // The errors of a piece solve E + A E = rated values - rated keys S, where A is below the diagonal: E = U - W S.
  const Var solved = unit_lower_inverse(matmul(rated_keys, ks, Orient::nt));
  const Var u = matmul(solved, rated_values), w = matmul(solved, rated_keys);
  const Var scores = lower_triangle(matmul(qs, ks, Orient::nt), 0);
  const Var before = state ? widened(state) : zero_state(widened(k), v);
  Var s = view(before, {heads, d, dv});
  const std::int64_t count = pieces.count();
  if (count == 0) return {widened(v), before};  // no tokens, no outputs
  const std::vector<std::int64_t> sizes(std::size_t(count), heads);
  auto each = [&](const Var& x) { return lact::pieces(x, 0, sizes); };
  const std::vector<Var> q_of = each(qs), k_of = each(ks), u_of = each(u), w_of = each(w),
                         scores_of_piece = each(scores);
  std::vector<Var> outputs;
  for (std::size_t i = 0; i < std::size_t(count); ++i) {
    const Var errors = matmul_add(u_of[i], 1, w_of[i], s, -1);
    outputs.push_back(matmul_add(matmul(q_of[i], s), 1, scores_of_piece[i], errors, 1));
    s = matmul_add(s, 1, k_of[i], errors, 1, Orient::tn);
  }
  return {pieces.put_together(join(outputs, 0)), view(s, before.shape())};
}

}  // namespace lact
