// Softmax attention: f64 by its formula, the judge; f32 in tiles.
#include "kernels/attention.hpp"

#include <cmath>
#include <vector>

#include "kernels/attention_checks.hpp"
#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {
namespace {

using Sizes = AttentionSizes;

template <class T>
struct Head {  // rows of one (batch, head)
  T* base;
  std::int64_t step;
  Head(const Tensor& t, std::int64_t i)
      : base(t.data<T>() + i / t.dim(1) * t.strides()[0] + i % t.dim(1) * t.strides()[1]), step(t.strides()[2]) {}
  T* operator[](std::int64_t row) const { return base + row * step; }
};

double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void forward(const Sizes& s, const Tensor& o, const Tensor& lse, const Tensor& q, const Tensor& k, const Tensor& v,
             double scale, const Mask& mask) {
  split(s.batch * s.heads, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> p(static_cast<std::size_t>(s.keys));
    for (std::int64_t h = begin; h < end; ++h) {
      const Head<double> qs(q, h), ks(k, h), vs(v, h), os(o, h);
      for (std::int64_t i = 0; i < s.queries; ++i) {
        const Range seen = visible(mask, i, s.keys);
        double top = -INFINITY, sum = 0;
        for (auto j = seen.begin; j < seen.end; ++j)
          top = std::max(top, p[std::size_t(j)] = scale * dot(qs[i], ks[j], s.d));
        for (auto j = seen.begin; j < seen.end; ++j) sum += p[std::size_t(j)] = std::exp(p[std::size_t(j)] - top);
        std::fill_n(os[i], s.dv, 0.0);
        for (auto j = seen.begin; j < seen.end; ++j)
          for (std::int64_t c = 0; c < s.dv; ++c) os[i][c] += p[std::size_t(j)] / sum * vs[j][c];
        lse.data<double>()[h * s.queries + i] = seen.empty() ? -INFINITY : top + std::log(sum);
      }
    }
  });
}

void zero(const Head<double>& x, std::int64_t rows, std::int64_t n) {
  for (std::int64_t i = 0; i < rows; ++i) std::fill_n(x[i], n, 0.0);
}

void backward(const Sizes& s, const AttentionGrad& t) {
  split(s.batch * s.heads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t h = begin; h < end; ++h) {
      const Head<double> qs(t.q, h), ks(t.k, h), vs(t.v, h), os(t.o, h), dos(t.dout, h), dqs(t.dq, h), dks(t.dk, h),
          dvs(t.dv, h);
      zero(dqs, s.queries, s.d);
      zero(dks, s.keys, s.d);
      zero(dvs, s.keys, s.dv);
      for (std::int64_t i = 0; i < s.queries; ++i) {
        const Range seen = visible(t.mask, i, s.keys);
        const double mean = dot(dos[i], os[i], s.dv);
        for (auto j = seen.begin; j < seen.end; ++j) {
          const double p = std::exp(t.scale * dot(qs[i], ks[j], s.d) - t.lse.data<double>()[h * s.queries + i]);
          const double ds = t.scale * p * (dot(dos[i], vs[j], s.dv) - mean);
          for (std::int64_t c = 0; c < s.d; ++c) {
            dqs[i][c] += ds * ks[j][c];
            dks[j][c] += ds * qs[i][c];
          }
          for (std::int64_t c = 0; c < s.dv; ++c) dvs[j][c] += p * dos[i][c];
        }
      }
    }
  });
}

// ---- f32 ------------------------------------------------------------------------------------------------------------

AttentionHead head_of(const Sizes& s, const Tensor& q, const Tensor& k, const Tensor& v, double scale, const Mask& mask,
                      std::int64_t i) {
  const Head<float> qs(q, i), ks(k, i), vs(v, i);
  return {.q = qs.base,
          .k = ks.base,
          .v = vs.base,
          .q_row = qs.step,
          .k_row = ks.step,
          .v_row = vs.step,
          .queries = s.queries,
          .keys = s.keys,
          .d = s.d,
          .dv = s.dv,
          .scale = float(scale),
          .causal = mask.causal,
          .window = mask.window};
}

// Room for so many numbers within `held`, beginning on a cache line of 64 bytes.
float* scratch_of(std::int64_t numbers, std::vector<float>& held) {
  held.resize(static_cast<std::size_t>(numbers + 16));
  const auto past = reinterpret_cast<std::uintptr_t>(held.data()) % 64 / sizeof(float);
  return held.data() + (16 - past) % 16;
}

void forward_tiled(const Sizes& s, const Tensor& o, const Tensor& lse, const Tensor& q, const Tensor& k,
                   const Tensor& v, double scale, const Mask& mask) {
  const std::int64_t blocks = (s.queries + attention_tile - 1) / attention_tile;
  split(s.batch * s.heads * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> held;
    float* scratch = scratch_of(attention_scratch(s.d, s.dv), held);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t h = i / blocks, first = i % blocks * attention_tile;
      const Head<float> os(o, h);
      best_loops().attention.forward(head_of(s, q, k, v, scale, mask, h), os.base, os.step,
                                     lse.data<float>() + h * s.queries, first,
                                     std::min(attention_tile, s.queries - first), scratch);
    }
  });
}

void backward_tiled(const Sizes& s, const AttentionGrad& t) {
  split(s.batch * s.heads, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> held;
    float* scratch = scratch_of(attention_grad_scratch(s.keys, s.d, s.dv), held);
    for (std::int64_t h = begin; h < end; ++h) {
      const Head<float> os(t.o, h), dos(t.dout, h), dqs(t.dq, h), dks(t.dk, h), dvs(t.dv, h);
      const AttentionGrads grads{.dout = dos.base,
                                 .o = os.base,
                                 .lse = t.lse.data<float>() + h * s.queries,
                                 .dq = dqs.base,
                                 .dk = dks.base,
                                 .dv = dvs.base,
                                 .dout_row = dos.step,
                                 .o_row = os.step,
                                 .dq_row = dqs.step,
                                 .dk_row = dks.step,
                                 .dv_row = dvs.step};
      best_loops().attention.backward(head_of(s, t.q, t.k, t.v, t.scale, t.mask, h), grads, scratch);
    }
  });
}

}  // namespace

const Cpu<kernels::attention> attention = [](Tensor o, Tensor lse, const Tensor& q, const Tensor& k, const Tensor& v,
                                             double scale, Mask mask) {
  const Sizes s = attention_sizes(o, lse, q, k, v);
  for_type(q, "attention", [&](auto t) {
    if constexpr (sizeof(t) == sizeof(float))
      forward_tiled(s, o, lse, q, k, v, scale, mask);
    else
      forward(s, o, lse, q, k, v, scale, mask);
  });
};

const Cpu<kernels::attention_grad> attention_grad = [](const AttentionGrad& t) {
  const Sizes s = attention_grad_sizes(t);
  for_type(t.q, "attention_grad", [&](auto zero) {
    if constexpr (sizeof(zero) == sizeof(float))
      backward_tiled(s, t);
    else
      backward(s, t);
  });
};

}  // namespace lact::kernels::cpu
