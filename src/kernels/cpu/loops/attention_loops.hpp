// Attention over tiles of 64 queries x 64 keys. Scores are stored [key][query], so that a lane is a query: the softmax
// over keys then needs no sums across lanes, and of all operands only the queries are ever transposed, once per tile.
#pragma once
#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/loops/product_loops.hpp"
#include "kernels/cpu/loops/turn_loops.hpp"

namespace lact::kernels {
namespace {

constexpr Int tile = attention_tile;
constexpr float nothing = -__builtin_inff();  // the score of a hidden key

struct Keys {
  Int begin, end;
};
LACT_BOTH Int least(Int a, Int b) { return a < b ? a : b; }
LACT_BOTH Keys keys_seen(const AttentionHead& h, Int first, Int count) {  // by any of the queries
  if (!h.causal) return {0, h.keys};
  const Int begin = h.window > 0 && first - h.window + 1 > 0 ? first - h.window + 1 : 0;
  return {begin, least(h.keys, first + count)};
}
LACT_BOTH bool partly_hidden(const AttentionHead& h, Int first, Int count, Int key, Int keys) {
  return h.causal && (key + keys - 1 > first || (h.window > 0 && key <= first + count - 1 - h.window));
}
// Writes `value` where the key is hidden from the query.
LACT_BOTH void hide(const AttentionHead& h, float* scores, Int first, Int key, Int keys, float value) {
  const Int window = h.window > 0 ? h.window : h.queries + h.keys + tile;
  for (Int j = 0; j < keys; ++j)
    for (Int i = 0; i < tile; ++i) {
      const Int back = first + i - (key + j);
      scores[j * tile + i] = back >= 0 && back < window ? scores[j * tile + i] : value;
    }
}

// y[c][i] = factor x[i][c], zeros for i >= count.
LACT_BOTH void turn(float* y, const float* x, Int row, Int count, Int n, float factor) {
  turn_loop(y, tile, x, row, count, n);
  for (Int c = 0; c < n; ++c) {
    for (Int i = 0; i < tile; ++i) y[c * tile + i] = i < count ? factor * y[c * tile + i] : 0.f;
  }
}
// y[i][c] = factor x[i][c] with rows of `padded` numbers, zeros in the padding. Rows of a view may lie at steps that
// fall into few sets of the first cache; where a product walks down columns it needs them side by side.
LACT_BOTH void pack(float* y, Int padded, const float* x, Int row, Int count, Int n, float factor) {
  for (Int i = 0; i < count; ++i) {
    for (Int c = 0; c < n; ++c) y[i * padded + c] = factor * x[i * row + c];
    for (Int c = n; c < padded; ++c) y[i * padded + c] = 0;
  }
}

// One step of the online softmax: scores become weights exp(score - top) with the largest score so far as top; `old`
// becomes the factor exp(old top - top) by which the sums so far shrink.
LACT_BOTH void weigh(float* scores, Int keys, float* top, float* sum, float* old) {
  float shift[tile], part[tile];
  for (Int i = 0; i < tile; ++i) {
    old[i] = top[i];
    part[i] = 0;
  }
  for (Int j = 0; j < keys; ++j)
    for (Int i = 0; i < tile; ++i) top[i] = scores[j * tile + i] > top[i] ? scores[j * tile + i] : top[i];
  for (Int i = 0; i < tile; ++i) {
    shift[i] = top[i] == nothing ? 0.f : top[i];
    old[i] = scalar::exp(old[i] - shift[i]);
  }
  for (Int j = 0; j < keys; ++j)
    for (Int i = 0; i < tile; ++i) {
      const float p = scalar::exp(scores[j * tile + i] - shift[i]);
      scores[j * tile + i] = p;
      part[i] += p;
    }
  for (Int i = 0; i < tile; ++i) sum[i] = sum[i] * old[i] + part[i];
}

void attention_loop(const AttentionHead& h, float* o, Int o_row, float* lse, Int first, Int count, float* scratch) {
  float* const q = scratch;                  // [d][tile], scaled
  float* const scores = q + h.d * tile;      // [tile keys][tile]
  float* const sums = scores + tile * tile;  // [dv][tile]
  float* const values = sums + h.dv * tile;  // [tile keys][dv]
  float top[tile], sum[tile], old[tile];
  turn(q, h.q + first * h.q_row, h.q_row, count, h.d, h.scale);
  for (Int i = 0; i < h.dv * tile; ++i) sums[i] = 0;
  for (Int i = 0; i < tile; ++i) {
    top[i] = nothing;
    sum[i] = 0;
  }
  const Keys seen = keys_seen(h, first, count);
  for (Int key = seen.begin; key < seen.end; key += tile) {
    const Int keys = least(tile, seen.end - key);
    product_loop(scores, tile, h.k + key * h.k_row, h.k_row, Int(1), q, tile, keys, tile, h.d, false);
    if (partly_hidden(h, first, count, key, keys)) hide(h, scores, first, key, keys, nothing);
    weigh(scores, keys, top, sum, old);
    for (Int c = 0; c < h.dv; ++c)
      for (Int i = 0; i < tile; ++i) sums[c * tile + i] *= old[i];
    pack(values, h.dv, h.v + key * h.v_row, h.v_row, keys, h.dv, 1.f);
    product_loop(sums, tile, values, Int(1), h.dv, scores, tile, h.dv, tile, keys, true);
  }
  for (Int i = 0; i < tile; ++i) {
    old[i] = sum[i] == 0.f ? 0.f : 1.f / sum[i];
    top[i] = sum[i] == 0.f ? nothing : top[i] + scalar::log(sum[i]);
  }
  for (Int i = 0; i < count; ++i) lse[first + i] = top[i];
  for (Int c = 0; c < h.dv; ++c)
    for (Int i = 0; i < tile; ++i) sums[c * tile + i] *= old[i];
  turn_loop(o + first * o_row, o_row, sums, tile, h.dv, count);
}

// What the backward pass of one head keeps beside the tiles.
struct BackwardScratch {
  Int d_padded, dv_padded;
  float *q_turned, *q_rows, *dout_turned, *dout_rows, *weights, *slopes, *keys, *dq, *dk, *dv;
};
LACT_BOTH BackwardScratch carve(const AttentionHead& h, float* at) {
  BackwardScratch s;
  s.d_padded = (h.d + 15) / 16 * 16;
  s.dv_padded = (h.dv + 15) / 16 * 16;
  s.q_turned = at, at += h.d * tile;
  s.q_rows = at, at += tile * s.d_padded;
  s.dout_turned = at, at += h.dv * tile;
  s.dout_rows = at, at += tile * s.dv_padded;
  s.weights = at, at += tile * tile;
  s.slopes = at, at += tile * tile;
  s.keys = at, at += tile * h.d;
  s.dq = at, at += h.d * tile;
  s.dk = at, at += h.keys * s.d_padded;
  s.dv = at;
  return s;
}

// weights = exp(scores - lse), slopes = weights (dout v' - mean): the gradient of the scaled
// scores, `mean` being D_i of docs/math.md.
LACT_BOTH void backward_tile(const AttentionHead& h, const BackwardScratch& s, Int first, Int count, Int key, Int keys,
                             const float* lse, const float* mean) {
  pack(s.keys, h.d, h.k + key * h.k_row, h.k_row, keys, h.d, 1.f);
  product_loop(s.weights, tile, s.keys, h.d, Int(1), s.q_turned, tile, keys, tile, h.d, false);
  product_loop(s.slopes, tile, h.v + key * h.v_row, h.v_row, Int(1), s.dout_turned, tile, keys, tile, h.dv, false);
  for (Int j = 0; j < keys; ++j)
    for (Int i = 0; i < tile; ++i) s.weights[j * tile + i] = scalar::exp(s.weights[j * tile + i] - lse[i]);
  if (partly_hidden(h, first, count, key, keys)) hide(h, s.weights, first, key, keys, 0.f);
  for (Int j = 0; j < keys; ++j)
    for (Int i = 0; i < tile; ++i)
      s.slopes[j * tile + i] = s.weights[j * tile + i] * (s.slopes[j * tile + i] - mean[i]);
  product_loop(s.dv + key * s.dv_padded, s.dv_padded, s.weights, tile, Int(1), s.dout_rows, s.dv_padded, keys,
               s.dv_padded, count, true);
  product_loop(s.dk + key * s.d_padded, s.d_padded, s.slopes, tile, Int(1), s.q_rows, s.d_padded, keys, s.d_padded,
               count, true);
  product_loop(s.dq, tile, s.keys, Int(1), h.d, s.slopes, tile, h.d, tile, keys, true);
}

void attention_grad_loop(const AttentionHead& h, const AttentionGrads& g, float* scratch) {
  const BackwardScratch s = carve(h, scratch);
  for (Int i = 0; i < h.keys * s.d_padded; ++i) s.dk[i] = 0;
  for (Int i = 0; i < h.keys * s.dv_padded; ++i) s.dv[i] = 0;
  for (Int first = 0; first < h.queries; first += tile) {
    const Int count = least(tile, h.queries - first);
    const float *q = h.q + first * h.q_row, *dout = g.dout + first * g.dout_row;
    turn(s.q_turned, q, h.q_row, count, h.d, h.scale);
    pack(s.q_rows, s.d_padded, q, h.q_row, count, h.d, h.scale);
    turn(s.dout_turned, dout, g.dout_row, count, h.dv, 1.f);
    pack(s.dout_rows, s.dv_padded, dout, g.dout_row, count, h.dv, 1.f);
    for (Int i = 0; i < h.d * tile; ++i) s.dq[i] = 0;
    float lse[tile], mean[tile];
    for (Int i = 0; i < tile; ++i) {
      lse[i] = i < count ? g.lse[first + i] : 0.f;
      mean[i] = 0;
      if (i < count)
        mean[i] =
            sum_lanes(h.dv, dout + i * g.dout_row, g.o + (first + i) * g.o_row, [](auto a, auto b) { return a * b; });
    }
    const Keys seen = keys_seen(h, first, count);
    for (Int key = seen.begin; key < seen.end; key += tile)
      backward_tile(h, s, first, count, key, least(tile, seen.end - key), lse, mean);
    for (Int i = 0; i < h.d * tile; ++i) s.dq[i] *= h.scale;
    turn_loop(g.dq + first * g.dq_row, g.dq_row, s.dq, tile, h.d, count);
  }
  for (Int j = 0; j < h.keys; ++j) {
    for (Int c = 0; c < h.d; ++c) g.dk[j * g.dk_row + c] = s.dk[j * s.d_padded + c];
    for (Int c = 0; c < h.dv; ++c) g.dv[j * g.dv_row + c] = s.dv[j * s.dv_padded + c];
  }
}

}  // namespace
}  // namespace lact::kernels
