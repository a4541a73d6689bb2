// The gate of a GLU network and its derivatives: flat where no rate belongs to a row, else row by row.
#include "kernels/gates.hpp"

#include "kernels/cuda/rows.cuh"
#include "kernels/pointwise.hpp"

namespace lact::kernels::cuda {
namespace {

template <class T>
struct SwigluOf {
  T* m;
  const T *g, *h;
  template <int V>
  __device__ void at(std::int64_t i) const {
    Computed<T> u[V], v[V];
    take<V>(u, g + i);
    take<V>(v, h + i);
#pragma unroll
    for (int j = 0; j < V; ++j) u[j] = scalar::silu(u[j]) * v[j];
    give<V>(m + i, u);
  }
};

template <class T>
struct SwigluGradOf {
  T *dg, *dh;
  const T *g, *h, *dm;
  template <int V>
  __device__ void at(std::int64_t i) const {
    Computed<T> u[V], v[V], d[V];
    take<V>(u, g + i);
    take<V>(v, h + i);
    take<V>(d, dm + i);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const auto r = scalar::swiglu_first(u[j], v[j], d[j]);
      u[j] = r.dg;
      v[j] = r.dh;
    }
    give<V>(dg + i, u);
    give<V>(dh + i, v);
  }
};

template <class T, int V>
struct RatedRows {
  using A = Computed<T>;
  T *m, *dg, *dh;
  const T *g, *h, *dm;
  const A *rate0, *rate1, *rate2;
  std::int64_t n;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    if (!mine) return;
    const A r0 = rate0[row], r1 = rate1[row], r2 = rate2[row];
    each_pack<V, W>(lane, n, [&](std::int64_t i) {
      A u[V], v[V], d[V];
      take<V>(u, g + row * n + i);
      take<V>(v, h + row * n + i);
      take<V>(d, dm + row * n + i);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const auto at = scalar::gates(u[j], v[j], d[j]);
        u[j] = at.m * r1;
        v[j] = at.dg * r0;
        d[j] = at.dh * r2;
      }
      give<V>(m + row * n + i, u);
      give<V>(dg + row * n + i, v);
      give<V>(dh + row * n + i, d);
    });
  }
};

template <class T, int V>
struct RatedRowsGrad {
  using A = Computed<T>;
  T *g_bar, *h_bar, *dm_bar;
  A *rate0_bar, *rate1_bar, *rate2_bar;
  const T *g, *h, *dm;
  const A *rate0, *rate1, *rate2;
  const T *m_bar, *dg_bar, *dh_bar;
  std::int64_t n;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    const A r0 = rate0[row], r1 = rate1[row], r2 = rate2[row];
    A s0 = 0, s1 = 0, s2 = 0;
    each_pack<V, W>(lane, n, [&](std::int64_t i) {
      A u[V], v[V], d[V], ca[V], cb[V], cc[V];
      take<V>(u, g + row * n + i);
      take<V>(v, h + row * n + i);
      take<V>(d, dm + row * n + i);
      take<V>(ca, m_bar + row * n + i);
      take<V>(cb, dg_bar + row * n + i);
      take<V>(cc, dh_bar + row * n + i);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const auto gate = scalar::gates(u[j], v[j], d[j]);
        const auto bar = scalar::gates_bar(u[j], v[j], d[j], ca[j] * r1, cb[j] * r0, cc[j] * r2);
        s0 += cb[j] * gate.dg;
        s1 += ca[j] * gate.m;
        s2 += cc[j] * gate.dh;
        u[j] = bar.g;
        v[j] = bar.h;
        d[j] = bar.dm;
      }
      if (!mine) return;
      give<V>(g_bar + row * n + i, u);
      give<V>(h_bar + row * n + i, v);
      give<V>(dm_bar + row * n + i, d);
    });
    s0 = sum<W>(s0), s1 = sum<W>(s1), s2 = sum<W>(s2);
    if (mine && lane == 0) rate0_bar[row] = s0, rate1_bar[row] = s1, rate2_bar[row] = s2;
  }
};

}  // namespace

const Cuda<kernels::swiglu> swiglu = [](Tensor m, const Tensor& g, const Tensor& h) {
  check_flat({&m, &g, &h}, "swiglu");
  for_stored(m, "swiglu", [&](auto t) {
    using T = decltype(t);
    start_flat<wide<T>>({&m, &g, &h}, "swiglu", SwigluOf<T>{m.data<T>(), g.data<T>(), h.data<T>()});
  });
};

const Cuda<kernels::swiglu_grad> swiglu_grad = [](Tensor dg, Tensor dh, const Tensor& g, const Tensor& h,
                                                  const Tensor& dm) {
  check_flat({&dg, &dh, &g, &h, &dm}, "swiglu_grad");
  for_stored(dg, "swiglu_grad", [&](auto t) {
    using T = decltype(t);
    start_flat<wide<T>>({&dg, &dh, &g, &h, &dm}, "swiglu_grad",
                        SwigluGradOf<T>{dg.data<T>(), dh.data<T>(), g.data<T>(), h.data<T>(), dm.data<T>()});
  });
};

const Cuda<kernels::rated_gates> rated_gates = [](const RatedGates& t) {
  const auto& [rate0, rate1, rate2] = t.rates;
  check_flat_rows({&t.m, &t.dg, &t.dh, &t.g, &t.h, &t.dm}, {&rate0, &rate1, &rate2}, "rated_gates");
  for_stored(t.m, "rated_gates", [&](auto zero) {
    using T = decltype(zero);
    using A = Computed<T>;
    start_wide_rows<T>({&t.m, &t.dg, &t.dh, &t.g, &t.h, &t.dm}, "rated_gates", [&](auto width) {
      return RatedRows<T, decltype(width)::value>{.m = t.m.data<T>(),
                                                  .dg = t.dg.data<T>(),
                                                  .dh = t.dh.data<T>(),
                                                  .g = t.g.data<T>(),
                                                  .h = t.h.data<T>(),
                                                  .dm = t.dm.data<T>(),
                                                  .rate0 = t.rates.rate0.data<A>(),
                                                  .rate1 = t.rates.rate1.data<A>(),
                                                  .rate2 = t.rates.rate2.data<A>(),
                                                  .n = t.m.dim(-1)};
    });
  });
};

const Cuda<kernels::rated_gates_grad> rated_gates_grad = [](const RatedGatesGrad& t) {
  const auto& [bar0, bar1, bar2] = t.rate_bars;
  check_flat_rows({&t.g_bar, &t.h_bar, &t.dm_bar, &t.g, &t.h, &t.dm, &t.m_bar, &t.dg_bar, &t.dh_bar},
                  {&bar0, &bar1, &bar2, &t.rates.rate0, &t.rates.rate1, &t.rates.rate2}, "rated_gates_grad");
  if (t.g.count() == 0) {  // rows of no numbers
    for (const Tensor* r : {&bar0, &bar1, &bar2}) Cuda<kernels::fill>::as_part(*r, 0.0);
    return;
  }
  for_stored(t.g, "rated_gates_grad", [&](auto zero) {
    using T = decltype(zero);
    using A = Computed<T>;
    start_wide_rows<T>({&t.g_bar, &t.h_bar, &t.dm_bar, &t.g, &t.h, &t.dm, &t.m_bar, &t.dg_bar, &t.dh_bar},
                       "rated_gates_grad", [&](auto width) {
                         return RatedRowsGrad<T, decltype(width)::value>{.g_bar = t.g_bar.data<T>(),
                                                                         .h_bar = t.h_bar.data<T>(),
                                                                         .dm_bar = t.dm_bar.data<T>(),
                                                                         .rate0_bar = t.rate_bars.rate0.data<A>(),
                                                                         .rate1_bar = t.rate_bars.rate1.data<A>(),
                                                                         .rate2_bar = t.rate_bars.rate2.data<A>(),
                                                                         .g = t.g.data<T>(),
                                                                         .h = t.h.data<T>(),
                                                                         .dm = t.dm.data<T>(),
                                                                         .rate0 = t.rates.rate0.data<A>(),
                                                                         .rate1 = t.rates.rate1.data<A>(),
                                                                         .rate2 = t.rates.rate2.data<A>(),
                                                                         .m_bar = t.m_bar.data<T>(),
                                                                         .dg_bar = t.dg_bar.data<T>(),
                                                                         .dh_bar = t.dh_bar.data<T>(),
                                                                         .n = t.g.dim(-1)};
                       });
  });
};

}  // namespace lact::kernels::cuda
