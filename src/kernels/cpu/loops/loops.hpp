// Raw loops over contiguous numbers, compiled once per instruction set: no tensors, no threads, no allocation.
// Everything a loop file includes is free of functions that could survive as weak symbols (tools/check_isa_objects.sh),
// since the linker would give every processor one copy, perhaps the AVX-512 one.
#pragma once
#include <cstdint>

#include "kernels/functors.hpp"

namespace lact::kernels {

// One (batch, head) of attention in f32; *_row are elements between rows, whose numbers are contiguous.
struct AttentionHead {
  const float *q, *k, *v;
  std::int64_t q_row, k_row, v_row;
  std::int64_t queries, keys, d, dv;
  float scale;
  bool causal;
  std::int64_t window;  // 0 is no limit
};
struct AttentionGrads {
  const float *dout, *o, *lse;
  float *dq, *dk, *dv;
  std::int64_t dout_row, o_row, dq_row, dk_row, dv_row;
};
constexpr std::int64_t attention_tile = 64;  // queries, and keys, per tile

// Up to 64 bytes of neighbouring channels of one sample in a selective scan: rows of u and delta are `row` apart, b and
// c are [tokens, states].
template <class T>
struct ScanChannels {
  const T *u, *delta, *b, *c;
  std::int64_t row, tokens, states, count, piece;
};
template <class T>
struct ScanGrads {  // da, db and dc are added to
  const T* dy;
  T *du, *ddelta, *da, *db, *dc;
};

// One row of what an inner gradient multiplies, and of its adjoint; names as in gates.hpp.
template <class T>
struct GateRow {
  const T *g, *h, *dm;
  T rate0, rate1, rate2;
};
template <class T>
struct GateRowGrads {
  const T *m_bar, *dg_bar, *dh_bar;
  T *g_bar, *h_bar, *dm_bar;
  T *rate0_bar, *rate1_bar, *rate2_bar;  // one number each
};

// One row behind a layer norm with the scale w and the shift b; names as in mini_batch.hpp.
template <class T>
struct ReconstructionRow {
  const T *z, *target, *w, *b;
};

template <class T>
struct Loops {
  using Int = std::int64_t;
  void (*unary)(Unary f, T* y, const T* x, Int n, T c);
  void (*binary)(Binary f, T* y, const T* a, const T* b, Int n);
  void (*add_to)(T* y, const T* x, Int n, T c);
  void (*add_product)(T* y, const T* a, const T* b, Int n);  // y += a b
  void (*swiglu)(T* m, const T* g, const T* h, Int n);
  void (*swiglu_grad)(T* dg, T* dh, const T* g, const T* h, const T* dm, Int n);
  void (*adamw)(T* p, T* m, T* v, const T* g, Int n, const scalar::AdamWStep<T>& a);

  // Rows of n numbers. Sums run in 64-byte lanes and then along a fixed tree, the same in every instruction set.
  T (*sum)(const T* x, Int n);
  double (*sum_of_squares)(const T* x, Int n);                                           // in double
  void (*rms_norm)(T* y, T* r, const T* x, const T* w, Int n, T eps);                    // w may be null
  void (*rms_norm_grad)(T* dx, T* dw, const T* dy, const T* x, const T* w, T r, Int n);  // dw += if not null
  void (*layer_norm)(T* y, T* mean, T* r, const T* x, const T* w, Int n, T eps);
  void (*layer_norm_grad)(T* dx, T* dw, const T* dy, const T* x, const T* w, T mean, T r, Int n);
  void (*l2_norm)(T* y, T* norm, const T* x, Int n, T eps);
  void (*l2_norm_grad)(T* dx, const T* dy, const T* x, T norm, Int n, T eps);
  void (*silu_row)(T* y, T* norm, const T* x, Int n, T eps);  // norm may be null
  void (*silu_row_grad)(T* dx, const T* dy, const T* x, const T* norm, Int n, T eps);
  void (*rated_gates)(T* m, T* dg, T* dh, const GateRow<T>& x, Int n);
  void (*rated_gates_grad)(const GateRow<T>& x, const GateRowGrads<T>& to, Int n);
  void (*reconstruction_grad)(T* dz, const ReconstructionRow<T>& x, Int n, T eps);
  void (*reconstruction_grad_grad)(T* z_bar, T* target_bar, T* w_row, const T* dz_bar, const ReconstructionRow<T>& x,
                                   Int n, T eps);
  void (*softmax)(T* y, const T* x, Int n, T scale);
  void (*softmax_grad)(T* dx, const T* dy, const T* y, Int n, T scale);
  T (*log_sum_exp)(const T* x, Int n);

  // Scores of a piece of n tokens of d channels that decay pair by pair (recurrence.hpp); scratch of 2 d and (n + 1) d.
  void (*decayed_scores)(T* y, const T* q, const T* k, const T* g, Int n, Int d, T* scratch);
  void (*decayed_scores_grad)(T* dq, T* dk, T* dg, const T* dy, const T* q, const T* k, const T* g, Int n, Int d,
                              T* scratch);

  // h and a [states, lanes] are those of these channels; h goes on from the first state to the last, g the other way.
  void (*scan)(const ScanChannels<T>& x, T* y, T* starts, const T* a, T* h);
  void (*scan_grad)(const ScanChannels<T>& x, const ScanGrads<T>& to, const T* starts, const T* a, T* g, T* scratch);

  // Columns of a piece of a matrix [rows, n] with `step` elements between rows, summed in blocks of 64 rows.
  void (*column_sums)(T* y, const T* x, Int step, Int rows, Int n);
  void (*column_squares)(T* y, const T* x, Int step, Int rows, Int n);
  void (*column_dots)(T* y, const T* a, const T* b, Int step, Int rows, Int n);
  void (*column_scale)(T* y, const T* x, const T* factor, Int step, Int rows, Int n);  // y = x * factor[column]
  // y = a * fa[column] - b * fb[column]
  void (*column_mix)(T* y, const T* a, const T* fa, const T* b, const T* fb, Int step, Int rows, Int n);

  void (*turn)(T* y, Int y_row, const T* x, Int x_row, Int rows, Int columns);  // y[c, r] = x[r, c]
  // c [m, n] (+)= a [m, k] b [k, n], each sum in the order of k: n a multiple of 64 bytes, rows of b and c contiguous.
  void (*product)(T* c, Int c_row, const T* a, Int a_row, Int a_col, const T* b, Int b_row, Int m, Int n, Int k,
                  bool add);
};

// Numbers of scratch, which begins on a cache line.
constexpr std::int64_t padded(std::int64_t n) { return (n + 15) / 16 * 16; }
constexpr std::int64_t attention_scratch(std::int64_t d, std::int64_t dv) {
  return attention_tile * (d + 2 * dv + attention_tile);
}
constexpr std::int64_t attention_grad_scratch(std::int64_t keys, std::int64_t d, std::int64_t dv) {
  return attention_tile * (3 * d + padded(d) + dv + padded(dv) + 2 * attention_tile) + keys * (padded(d) + padded(dv));
}

struct AttentionLoops {
  using Int = std::int64_t;
  // o and lse of queries [first, first + count), count <= attention_tile.
  void (*forward)(const AttentionHead& h, float* o, Int o_row, float* lse, Int first, Int count, float* scratch);
  void (*backward)(const AttentionHead& h, const AttentionGrads& g, float* scratch);  // the whole head
};

// y[r y_row + i y_step] = x[r x_row + i x_step] converted; indexed by [to][from] in the order of DType. Integers are
// rounded and saturate.
struct Conversions {
  using Int = std::int64_t;
  using Convert = void (*)(void* y, Int y_row, Int y_step, const void* x, Int x_row, Int x_step, Int rows, Int n);
  Convert at[5][5];
};

enum class Isa : std::uint8_t { baseline, avx2, avx512 };
bool has(Isa isa);  // can this processor run it?

struct AllLoops {
  Loops<float> f32;
  Loops<double> f64;
  Conversions conversions;
  AttentionLoops attention;
};
const AllLoops& loops_for(Isa isa);
const AllLoops& best_loops();  // chosen once

template <class T>
const Loops<T>& loops() {
  if constexpr (sizeof(T) == sizeof(float))
    return best_loops().f32;
  else
    return best_loops().f64;
}

}  // namespace lact::kernels
