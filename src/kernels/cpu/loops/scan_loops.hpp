#pragma once
#include "kernels/cpu/loops/lanes.hpp"
#include "kernels/cpu/loops/loops.hpp"

namespace lact::kernels {
namespace {

template <class T>
constexpr Int scan_lanes = LanesOf<T>::count;

template <class T>
LACT_BOTH void load_channels(T* to, const T* from, Int count) {
  for (Int i = 0; i < count; ++i) to[i] = from[i];
  for (Int i = count; i < scan_lanes<T>; ++i) to[i] = T(0);
}

// Tokens [begin, end): h [states, lanes] goes on, a [states, lanes].
template <class T>
void scan_loop(const ScanChannels<T>& x, T* y, T* starts, const T* a, T* h) {
  constexpr Int L = scan_lanes<T>;
  const Int states = x.states, count = x.count;
  for (Int t = 0; t < x.tokens; ++t) {
    if (t % x.piece == 0)
      for (Int s = 0; s < states; ++s)
        for (Int i = 0; i < count; ++i) starts[(t / x.piece * states + s) * x.row + i] = h[s * L + i];
    T step[L], input[L], sum[L];
    load_channels(step, x.delta + t * x.row, count);
    load_channels(input, x.u + t * x.row, count);
    for (Int i = 0; i < L; ++i) input[i] *= step[i], sum[i] = T(0);
    for (Int s = 0; s < states; ++s) {
      const T b = x.b[t * states + s], c = x.c[t * states + s];
      const T* rate = a + s * L;
      T* state = h + s * L;
#pragma GCC ivdep
      for (Int i = 0; i < L; ++i) {
        state[i] = scalar::exp(step[i] * rate[i]) * state[i] + b * input[i];
        sum[i] += c * state[i];
      }
    }
    for (Int i = 0; i < count; ++i) y[t * x.row + i] = sum[i];
  }
}

// What a piece of tokens goes through: decays [piece, states, lanes] and states [piece + 1, states, lanes].
template <class T>
void scan_again(const ScanChannels<T>& x, const T* starts, const T* a, Int begin, Int end, T* decays, T* kept) {
  constexpr Int L = scan_lanes<T>;
  const Int states = x.states;
  for (Int s = 0; s < states; ++s)
    load_channels(kept + s * L, starts + (begin / x.piece * states + s) * x.row, x.count);
  for (Int t = begin; t < end; ++t) {
    T step[L], input[L];
    load_channels(step, x.delta + t * x.row, x.count);
    load_channels(input, x.u + t * x.row, x.count);
    for (Int i = 0; i < L; ++i) input[i] *= step[i];
    for (Int s = 0; s < states; ++s) {
      const T b = x.b[t * states + s];
      const T *rate = a + s * L, *before = kept + ((t - begin) * states + s) * L;
      T *decay = decays + ((t - begin) * states + s) * L, *now = kept + ((t - begin + 1) * states + s) * L;
#pragma GCC ivdep
      for (Int i = 0; i < L; ++i) {
        decay[i] = scalar::exp(step[i] * rate[i]);
        now[i] = decay[i] * before[i] + b * input[i];
      }
    }
  }
}

// g [states, lanes]: the cotangent of the last state, and afterwards that of the first. da [states, lanes], db and dc
// [tokens, states] are added to. scratch: (2 piece + 1) states lanes.
template <class T>
void scan_grad_loop(const ScanChannels<T>& x, const ScanGrads<T>& to, const T* starts, const T* a, T* g, T* scratch) {
  constexpr Int L = scan_lanes<T>;
  const Int states = x.states, pieces = (x.tokens + x.piece - 1) / x.piece;
  T *decays = scratch, *kept = scratch + x.piece * states * L;
  for (Int p = pieces - 1; p >= 0; --p) {
    const Int begin = p * x.piece, end = begin + x.piece < x.tokens ? begin + x.piece : x.tokens;
    scan_again(x, starts, a, begin, end, decays, kept);
    for (Int t = end - 1; t >= begin; --t) {
      T step[L], u[L], dy[L], du[L], dstep[L];
      load_channels(step, x.delta + t * x.row, x.count);
      load_channels(u, x.u + t * x.row, x.count);
      load_channels(dy, to.dy + t * x.row, x.count);
      for (Int i = 0; i < L; ++i) du[i] = dstep[i] = T(0);
      for (Int s = 0; s < states; ++s) {
        const T b = x.b[t * states + s], c = x.c[t * states + s];
        const T *rate = a + s * L, *decay = decays + ((t - begin) * states + s) * L;
        const T *before = kept + ((t - begin) * states + s) * L, *now = before + states * L;
        T *of_state = g + s * L, *of_rate = to.da + s * L, of_b[L], of_c[L];
#pragma GCC ivdep
        for (Int i = 0; i < L; ++i) {
          const T bar = of_state[i] + c * dy[i], through = bar * decay[i];
          of_c[i] = dy[i] * now[i];
          of_b[i] = bar * step[i] * u[i];
          du[i] += bar * b * step[i];
          dstep[i] += through * before[i] * rate[i] + bar * b * u[i];
          of_rate[i] += through * before[i] * step[i];
          of_state[i] = through;
        }
        to.db[t * states + s] += total<T>(load(of_b));
        to.dc[t * states + s] += total<T>(load(of_c));
      }
      for (Int i = 0; i < x.count; ++i) to.du[t * x.row + i] = du[i], to.ddelta[t * x.row + i] = dstep[i];
    }
  }
}

}  // namespace
}  // namespace lact::kernels
