// Element-wise kernels: the formulas of functors.hpp over views of any strides, 16 bytes at a time where they lie so.
#include "kernels/cuda/cuda.hpp"
#include "kernels/cuda/rows.cuh"

namespace lact::kernels::cuda {

void launched(const char* kernel) {
  const cudaError_t status = cudaGetLastError();
  check(status == cudaSuccess, "cuda: the kernel {} could not be started: {}", kernel, cudaGetErrorString(status));
}

namespace {

template <class To, class From>
struct Convert {  // operands y, x
  To* y;
  const From* x;
  Places<2> places;
  std::int64_t y_step, x_step;  // along the last dim
  template <int V>
  __device__ void at(std::int64_t i) const {
    const auto o = places.of(i);
    if constexpr (V == 1) {
      scalar::put(y[o.at[0]], scalar::widened(x[o.at[1]]));
    } else {
      Pack<To, V> to;
      if (x_step == 1) {
        const auto from = *reinterpret_cast<const Pack<From, V>*>(x + o.at[1]);
#pragma unroll
        for (int j = 0; j < V; ++j) scalar::put(to.at[j], scalar::widened(from.at[j]));
      } else {
#pragma unroll
        for (int j = 0; j < V; ++j) scalar::put(to.at[j], scalar::widened(x[o.at[1] + j * x_step]));
      }
      *reinterpret_cast<Pack<To, V>*>(y + o.at[0]) = to;
    }
  }
};

template <Unary U, class T>
struct UnaryOf {  // operands y, x
  T* y;
  const T* x;
  Places<2> places;
  std::int64_t x_step;
  Computed<T> c;
  template <int V>
  __device__ void at(std::int64_t i) const {
    Computed<T> v[V];
    take<V>(v, x + places.of(i).at[1], x_step);
#pragma unroll
    for (int j = 0; j < V; ++j) v[j] = scalar::unary<U>(v[j], c);
    give<V>(y + i, v);
  }
};

template <Binary B, class T, class R>
struct BinaryOf {  // operands y, a, b; b may be stored wider than the others
  T* y;
  const T* a;
  const R* b;
  Places<3> places;
  std::int64_t a_step, b_step;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const auto o = places.of(i);
    Computed<T> u[V];
    Computed<R> v[V];
    take<V>(u, a + o.at[1], a_step);
    take<V>(v, b + o.at[2], b_step);
#pragma unroll
    for (int j = 0; j < V; ++j) u[j] = scalar::binary<B>(u[j], Computed<T>(v[j]));
    give<V>(y + i, u);
  }
};

template <class F>
void for_unary(Unary f, F&& go) {
  switch (f) {
    case Unary::copy:
      return;  // copy() takes any types
    case Unary::scale:
      return go(std::integral_constant<Unary, Unary::scale>{});
    case Unary::shift:
      return go(std::integral_constant<Unary, Unary::shift>{});
    case Unary::square:
      return go(std::integral_constant<Unary, Unary::square>{});
    case Unary::sqrt:
      return go(std::integral_constant<Unary, Unary::sqrt>{});
    case Unary::inverse:
      return go(std::integral_constant<Unary, Unary::inverse>{});
    case Unary::exp:
      return go(std::integral_constant<Unary, Unary::exp>{});
    case Unary::log:
      return go(std::integral_constant<Unary, Unary::log>{});
    case Unary::tanh:
      return go(std::integral_constant<Unary, Unary::tanh>{});
    case Unary::erf:
      return go(std::integral_constant<Unary, Unary::erf>{});
    case Unary::sigmoid:
      return go(std::integral_constant<Unary, Unary::sigmoid>{});
    case Unary::silu:
      return go(std::integral_constant<Unary, Unary::silu>{});
    case Unary::softplus:
      return go(std::integral_constant<Unary, Unary::softplus>{});
    case Unary::gelu:
      return go(std::integral_constant<Unary, Unary::gelu>{});
  }
}

template <class F>
void for_binary(Binary f, F&& go) {
  switch (f) {
    case Binary::add:
      return go(std::integral_constant<Binary, Binary::add>{});
    case Binary::subtract:
      return go(std::integral_constant<Binary, Binary::subtract>{});
    case Binary::multiply:
      return go(std::integral_constant<Binary, Binary::multiply>{});
    case Binary::silu_grad:
      return go(std::integral_constant<Binary, Binary::silu_grad>{});
    case Binary::gelu_grad:
      return go(std::integral_constant<Binary, Binary::gelu_grad>{});
  }
}

template <class F>
void for_any(DType t, F&& f) {
  switch (t) {
    case DType::f32:
      return f(float{});
    case DType::bf16:
      return f(Bf16{});
    case DType::f64:
      return f(double{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::u8:
      return f(std::uint8_t{});
  }
}

void copy(const Tensor& y, const Tensor& x) {
  check(x.defined() && x.shape() == y.shape(), "copy: a tensor of shape {} into one of shape {}", text_of(x.shape()),
        text_of(y.shape()));
  if (y.count() == 0) return;
  const Layout<2> l = layout_by_y(y, x);
  const auto last = std::size_t(l.dims - 1);
  for_any(y.dtype(), [&](auto to) {
    for_any(x.dtype(), [&](auto from) {
      using To = decltype(to);
      using From = decltype(from);
      const Convert<To, From> f{y.data<To>(), x.data<From>(), l, l.step[0][last], l.step[1][last]};
      constexpr int V = wide<To> < wide<From> ? wide<To> : wide<From>;
      if (l.step[0][last] == 1 && fits_packs<2>(l, {&y, &x}, V))
        start<V>(y, "copy", y.count(), f);
      else
        start<1>(y, "copy", y.count(), f);
    });
  });
}

template <class T, class R>
void binary_of(Binary f, const Tensor& y, const Tensor& a, const Tensor& b) {
  const Layout<3> l = joint_layout<3>({&y, &a, &b}, y.dims());
  const auto last = std::size_t(l.dims - 1);
  const bool packs = fits_packs<3>(l, {&y, &a, &b}, wide<T>);
  for_binary(f, [&](auto which) {
    const BinaryOf<decltype(which)::value, T, R> g{y.data<T>(), a.data<T>(),     b.data<R>(),
                                                   l,           l.step[1][last], l.step[2][last]};
    if (packs)
      start<wide<T>>(y, "binary", y.count(), g);
    else
      start<1>(y, "binary", y.count(), g);
  });
}

// ---- flat: all operands contiguous and of one shape
// ------------------------------------------------------------------

template <class T, class R>
struct AddTo {
  T* y;
  const R* x;
  Computed<T> c;
  template <int V>
  __device__ void at(std::int64_t i) const {
    Computed<T> u[V];
    Computed<R> v[V];
    take<V>(u, y + i);
    take<V>(v, x + i);
#pragma unroll
    for (int j = 0; j < V; ++j) u[j] += c * Computed<T>(v[j]);
    give<V>(y + i, u);
  }
};

template <class T>
struct Fill {
  T* y;
  Computed<T> value;
  template <int V>
  __device__ void at(std::int64_t i) const {
    Computed<T> v[V];
#pragma unroll
    for (int j = 0; j < V; ++j) v[j] = value;
    give<V>(y + i, v);
  }
};

template <class T>
struct Swiglu {
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
struct SwigluGrad {
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

// ---- rows with rates

template <class T, int V>
struct RatedGates {
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
struct RatedGatesGrad {
  using A = Computed<T>;
  T *g_bar, *h_bar, *dm_bar;
  A *rate0_bar, *rate1_bar, *rate2_bar;
  const T *g, *h, *dm;
  const A *rate0, *rate1, *rate2;
  const T *a, *b, *c;
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
      take<V>(ca, a + row * n + i);
      take<V>(cb, b + row * n + i);
      take<V>(cc, c + row * n + i);
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

void unary(Unary f, Tensor y, const Tensor& x, double c) {
  if (f == Unary::copy) return copy(y, x);
  check_same(y, x, "unary");
  check_contiguous(y, "unary");
  for_stored(y, "unary", [&](auto t) {
    using T = decltype(t);
    const Layout<2> l = joint_layout<2>({&y, &x}, y.dims());
    const std::int64_t x_step = l.step[1][std::size_t(l.dims - 1)];
    const bool packs = fits_packs<2>(l, {&y, &x}, wide<T>);
    for_unary(f, [&](auto which) {
      const UnaryOf<decltype(which)::value, T> g{y.data<T>(), x.data<T>(), l, x_step, Computed<T>(c)};
      if (packs)
        start<wide<T>>(y, "unary", y.count(), g);
      else
        start<1>(y, "unary", y.count(), g);
    });
  });
}

void binary(Binary f, Tensor y, const Tensor& a, const Tensor& b) {
  check_same(y, a, "binary");
  check(b.defined() && b.shape() == y.shape(), "binary: {} where {} is expected", text_of(b.shape()),
        text_of(y.shape()));
  check_contiguous(y, "binary");
  if (y.count() == 0) return;
  if (y.dtype() == DType::bf16 && b.dtype() == DType::f32) return binary_of<Bf16, float>(f, y, a, b);
  check_same(y, b, "binary");
  for_stored(y, "binary", [&](auto t) { binary_of<decltype(t), decltype(t)>(f, y, a, b); });
}

void add_to(Tensor y, const Tensor& x, double c) {
  check(x.defined() && x.shape() == y.shape(), "add_to: {} where {} is expected", text_of(x.shape()),
        text_of(y.shape()));
  check_contiguous(y, "add_to");
  check_contiguous(x, "add_to");
  if (y.dtype() == DType::f32 && x.dtype() == DType::bf16) {  // a gradient into the sum that the optimizer reads
    return start_flat<8>({&y, &x}, "add_to", AddTo<float, Bf16>{y.data<float>(), x.data<Bf16>(), float(c)});
  }
  check_same(y, x, "add_to");
  for_stored(y, "add_to", [&](auto t) {
    using T = decltype(t);
    start_flat<wide<T>>({&y, &x}, "add_to", AddTo<T, T>{y.data<T>(), x.data<T>(), Computed<T>(c)});
  });
}

void fill(Tensor y, double value) {
  check_contiguous(y, "fill");
  for_stored(y, "fill", [&](auto t) {
    using T = decltype(t);
    start_flat<wide<T>>({&y}, "fill", Fill<T>{y.data<T>(), Computed<T>(value)});
  });
}

void swiglu(Tensor m, const Tensor& g, const Tensor& h) {
  check_flat({&m, &g, &h}, "swiglu");
  for_stored(m, "swiglu", [&](auto t) {
    using T = decltype(t);
    start_flat<wide<T>>({&m, &g, &h}, "swiglu", Swiglu<T>{m.data<T>(), g.data<T>(), h.data<T>()});
  });
}

void swiglu_grad(Tensor dg, Tensor dh, const Tensor& g, const Tensor& h, const Tensor& dm) {
  check_flat({&dg, &dh, &g, &h, &dm}, "swiglu_grad");
  for_stored(dg, "swiglu_grad", [&](auto t) {
    using T = decltype(t);
    start_flat<wide<T>>({&dg, &dh, &g, &h, &dm}, "swiglu_grad",
                        SwigluGrad<T>{dg.data<T>(), dh.data<T>(), g.data<T>(), h.data<T>(), dm.data<T>()});
  });
}

void rated_gates(Tensor m, Tensor dg, Tensor dh, const Tensor& g, const Tensor& h, const Tensor& dm,
                 const Tensor& rate0, const Tensor& rate1, const Tensor& rate2) {
  check_flat_rows({&m, &dg, &dh, &g, &h, &dm}, {&rate0, &rate1, &rate2}, "rated_gates");
  for_stored(m, "rated_gates", [&](auto t) {
    using T = decltype(t);
    using A = Computed<T>;
    start_wide_rows<T>({&m, &dg, &dh, &g, &h, &dm}, "rated_gates", [&](auto width) {
      return RatedGates<T, decltype(width)::value>{m.data<T>(),     dg.data<T>(), dh.data<T>(),    g.data<T>(),
                                                   h.data<T>(),     dm.data<T>(), rate0.data<A>(), rate1.data<A>(),
                                                   rate2.data<A>(), m.dim(-1)};
    });
  });
}

void rated_gates_grad(Tensor g_bar, Tensor h_bar, Tensor dm_bar, Tensor rate0_bar, Tensor rate1_bar, Tensor rate2_bar,
                      const Tensor& g, const Tensor& h, const Tensor& dm, const Tensor& rate0, const Tensor& rate1,
                      const Tensor& rate2, const Tensor& a, const Tensor& b, const Tensor& c) {
  check_flat_rows({&g_bar, &h_bar, &dm_bar, &g, &h, &dm, &a, &b, &c},
                  {&rate0_bar, &rate1_bar, &rate2_bar, &rate0, &rate1, &rate2}, "rated_gates_grad");
  if (g.count() == 0) {  // rows of no numbers
    for (const Tensor* r : {&rate0_bar, &rate1_bar, &rate2_bar}) fill(*r, 0);
    return;
  }
  for_stored(g, "rated_gates_grad", [&](auto t) {
    using T = decltype(t);
    using A = Computed<T>;
    start_wide_rows<T>({&g_bar, &h_bar, &dm_bar, &g, &h, &dm, &a, &b, &c}, "rated_gates_grad", [&](auto width) {
      return RatedGatesGrad<T, decltype(width)::value>{
          g_bar.data<T>(),     h_bar.data<T>(),     dm_bar.data<T>(), rate0_bar.data<A>(),
          rate1_bar.data<A>(), rate2_bar.data<A>(), g.data<T>(),      h.data<T>(),
          dm.data<T>(),        rate0.data<A>(),     rate1.data<A>(),  rate2.data<A>(),
          a.data<T>(),         b.data<T>(),         c.data<T>(),      g.dim(-1)};
    });
  });
}

}  // namespace lact::kernels::cuda
