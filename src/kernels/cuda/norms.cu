// Norms of rows and of columns, and their gradients.
#include "kernels/norms.hpp"

#include "kernels/cuda/rows.cuh"
#include "kernels/cuda/sums.cuh"
#include "kernels/pointwise.hpp"

namespace lact::kernels::cuda {
namespace {

enum class Norm { rms, layer, l2 };

template <Norm N, class T, int V>
struct Forward {
  using A = Computed<T>;
  View<T> y, x;
  A *mean, *r;  // per row; r holds the norm of l2
  const A* w;   // or null
  std::int64_t n;
  A eps;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    const T* from = x[row];
    A m = 0, s;
    if constexpr (N == Norm::layer) {
      A total = 0;
      each_pack<V, W>(lane, n, [&](std::int64_t i) {
        A v[V];
        take<V>(v, from + i);
#pragma unroll
        for (int j = 0; j < V; ++j) total += v[j];
      });
      m = sum<W>(total) / A(n);
    }
    A squares = 0;
    each_pack<V, W>(lane, n, [&](std::int64_t i) {
      A v[V];
      take<V>(v, from + i);
#pragma unroll
      for (int j = 0; j < V; ++j) squares += (v[j] - m) * (v[j] - m);
    });
    squares = sum<W>(squares);
    A kept;
    if constexpr (N == Norm::l2) {
      kept = scalar::sqrt(squares);
      s = scalar::inverse_or_zero(kept + eps);
    } else {
      kept = s = A(1) / scalar::sqrt(squares / A(n) + eps);
    }
    if (!mine) return;
    if (lane == 0) {
      r[row] = kept;
      if constexpr (N == Norm::layer) mean[row] = m;
    }
    T* to = y[row];
    each_pack<V, W>(lane, n, [&](std::int64_t i) {
      A v[V], u[V];
      take<V>(v, from + i);
      if (w != nullptr) take<V>(u, w + i);
#pragma unroll
      for (int j = 0; j < V; ++j) v[j] = (v[j] - m) * s * (w != nullptr ? u[j] : A(1));
      give<V>(to + i, v);
    });
  }
};

// s = a + b as it is stored, and its norm: y and statistics of `norm`, whose x is s.
template <class T, int V>
struct AddedForward {
  Forward<Norm::layer, T, V> norm;
  View<T> a, b;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    using A = Computed<T>;
    const T *left = a[row], *right = b[row];
    T* s = norm.x[row];
    each_pack<V, W>(lane, norm.n, [&](std::int64_t i) {
      A u[V], v[V];
      take<V>(u, left + i);
      take<V>(v, right + i);
#pragma unroll
      for (int j = 0; j < V; ++j) v[j] += u[j];
      if (mine) give<V>(s + i, v);
    });
    norm.template at<W>(row, lane, mine);  // each thread reads what it wrote
  }
};

// With g = dy w and u = (x - mean) r: dx = r (g - mean(g) - u mean(g u)); without the mean for rms. For l2, with
// s = 1 / (norm + eps): dx = dy s - x sum(dy x) s^2 / norm.
template <Norm N, class T, int V>
struct Backward {
  using A = Computed<T>;
  View<T> dx, dy, x, beside;
  bool adds;  // beside to dx
  const A *mean, *r, *w;
  std::int64_t n;
  A eps;
  template <int W>
  __device__ void at(std::int64_t row, int lane, bool mine) const {
    const T *from = x[row], *back = dy[row];
    const A m = N == Norm::layer ? mean[row] : A(0), kept = r[row];
    A total = 0, dot = 0;
    each_pack<V, W>(lane, n, [&](std::int64_t i) {
      A v[V], g[V], u[V];
      take<V>(v, from + i);
      take<V>(g, back + i);
      if (w != nullptr) take<V>(u, w + i);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const A gj = w != nullptr ? g[j] * u[j] : g[j];
        total += gj;
        dot += gj * (v[j] - m);
      }
    });
    if constexpr (N == Norm::layer) total = sum<W>(total) / A(n);
    dot = sum<W>(dot);
    A straight, back_by, shift = 0;
    if constexpr (N == Norm::l2) {
      straight = scalar::inverse_or_zero(kept + eps);
      back_by = dot * scalar::inverse_or_zero(kept) * straight * straight;
    } else {
      straight = kept;
      back_by = kept * kept * kept * dot / A(n);
      if constexpr (N == Norm::layer) shift = kept * total;
    }
    if (!mine) return;
    T* to = dx[row];
    const T* other = beside[row];
    each_pack<V, W>(lane, n, [&](std::int64_t i) {
      A v[V], g[V], u[V], more[V];
      take<V>(v, from + i);
      take<V>(g, back + i);
      if (w != nullptr) take<V>(u, w + i);
      if (adds) take<V>(more, other + i);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        g[j] = (w != nullptr ? g[j] * u[j] : g[j]) * straight - shift - (v[j] - m) * back_by;
        if (adds) g[j] += more[j];
      }
      give<V>(to + i, g);
    });
  }
};

template <Norm N, class T>
struct WeightTerm {  // dy (x - mean) r, whose sum over rows is a weight's gradient
  View<T> dy, x;
  const Computed<T>*mean, *r;
  __device__ Computed<T> operator()(std::int64_t column, std::int64_t row) const {
    const Computed<T> m = N == Norm::layer ? mean[row] : Computed<T>(0);
    return scalar::widened(dy[row][column]) * (scalar::widened(x[row][column]) - m) * r[row];
  }
};

DType computed_type(const Tensor& x) { return x.dtype() == DType::bf16 ? DType::f32 : x.dtype(); }

template <class A>
A* numbers_of(const Tensor& w, const Tensor& x, const char* kernel) {
  if (!w.defined()) return nullptr;
  check(w.count() == x.dim(-1) && w.dtype() == computed_type(x), "{}: {} weights of shape {} for rows of {}", kernel,
        name_of(w.dtype()), text_of(w.shape()), text_of(x.shape()));
  check_contiguous(w, kernel);
  return w.data<A>();
}
template <Norm N>
void forward(const Tensor& y, const Tensor& mean, const Tensor& r, const Tensor& x, const Tensor& w, double eps,
             const char* kernel) {
  check_rows(x, y, kernel);
  check_rows(y, x, kernel);
  check_per_row(r, x, kernel);
  if (N == Norm::layer) check_per_row(mean, x, kernel);
  for_stored(y, kernel, [&](auto t) {
    using T = decltype(t);
    using A = Computed<T>;
    const A* weights = numbers_of<A>(w, x, kernel);
    start_wide_rows<T>({&y, &x, &w}, kernel, [&](auto width) {
      return Forward<N, T, decltype(width)::value>{
          View<T>(y), View<T>(x), N == Norm::layer ? mean.data<A>() : nullptr, r.data<A>(), weights, x.dim(-1), A(eps)};
    });
  });
}

template <Norm N>
void backward(const Tensor& dx, const Tensor& dw, const Tensor& dy, const Tensor& x, const Tensor& w,
              const Tensor& mean, const Tensor& r, double eps, const char* kernel, const Tensor& beside = {}) {
  const Tensor& other = beside.defined() ? beside : dx;
  for (const Tensor* t : {&dx, &dy, &x, &other}) check_rows(*t, x, kernel);
  check_per_row(r, x, kernel);
  if (N == Norm::layer) check_per_row(mean, x, kernel);
  for_stored(x, kernel, [&](auto t) {
    using T = decltype(t);
    using A = Computed<T>;
    const A *weights = numbers_of<A>(w, x, kernel), *means = N == Norm::layer ? mean.data<A>() : nullptr;
    // dw before dx, since dx may be stored over dy, which dw reads
    if (A* to = numbers_of<A>(dw, x, kernel)) {
      if (rows_of(x) == 0)
        Cuda<kernels::fill>::as_part(dw, 0.0);
      else
        sum_up<A>(dw, to, Along::outputs, x.dim(-1), rows_of(x),
                  WeightTerm<N, T>{View<T>(dy), View<T>(x), means, r.data<A>()});
    }
    start_wide_rows<T>({&dx, &dy, &x, &w, &other}, kernel, [&](auto width) {
      return Backward<N, T, decltype(width)::value>{View<T>(dx),      View<T>(dy), View<T>(x),  View<T>(other),
                                                    beside.defined(), means,       r.data<A>(), weights,
                                                    x.dim(-1),        A(eps)};
    });
  });
}

// ---- columns of [B, m, n]

template <class T>
struct ProductTerm {  // a b at row i of a column; outputs count (item, column)
  const T *a, *b;
  std::int64_t rows, n;
  __device__ T operator()(std::int64_t output, std::int64_t i) const {
    const std::int64_t at = (output / n * rows + i) * n + output % n;
    return a[at] * b[at];
  }
};
struct Root {
  template <class A>
  __device__ A operator()(A x) const {
    return scalar::sqrt(x);
  }
};

template <class T>
struct Keep {  // w / (norm + eps) target
  T* y;
  const T *w, *norm, *target;
  std::int64_t rows, n;
  T eps;
  template <int V>
  __device__ void at(std::int64_t i) const {
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const std::int64_t at = i + j, column = at / (rows * n) * n + at % n;
      y[at] = w[at] * (scalar::inverse_or_zero(norm[column] + eps) * target[column]);
    }
  }
};

// With s = 1 / (norm + eps) and dot = sum of dy w over a column: dtarget = dot s, dw = dy target s - w target dot s^2 /
// norm.
template <class T>
struct KeepGrad {
  T* dw;
  const T *dy, *w, *norm, *target, *dots;
  std::int64_t rows, n;
  T eps;
  template <int V>
  __device__ void at(std::int64_t i) const {
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const std::int64_t at = i + j, column = at / (rows * n) * n + at % n;
      const T s = scalar::inverse_or_zero(norm[column] + eps);
      const T back = dots[column] * target[column] * s * s * scalar::inverse_or_zero(norm[column]);
      dw[at] = dy[at] * target[column] * s - w[at] * back;
    }
  }
};
template <class T>
struct TargetGrad {
  T* y;
  const T *dots, *norm;
  T eps;
  template <int V>
  __device__ void at(std::int64_t i) const {
    y[i] = dots[i] * scalar::inverse_or_zero(norm[i] + eps);
  }
};

void check_columns(const Tensor& r, const Tensor& w, const char* kernel) {
  check(w.defined() && w.dims() == 3, "{} takes matrices [B, m, n], not {}", kernel, text_of(w.shape()));
  check_contiguous(w, kernel);
  check(r.defined() && r.shape() == Shape{w.dim(0), 1, w.dim(2)} && r.dtype() == w.dtype(),
        "{}: {} numbers of shape {} for the columns of {}", kernel, name_of(r.dtype()), text_of(r.shape()),
        text_of(w.shape()));
  check_contiguous(r, kernel);
}

}  // namespace

const Cuda<kernels::rms_norm> rms_norm = [](Tensor y, Tensor r, const Tensor& x, const Tensor& w, double eps) {
  forward<Norm::rms>(y, {}, r, x, w, eps, "rms_norm");
};
const Cuda<kernels::rms_norm_grad> rms_norm_grad = [](Tensor dx, Tensor dw, const Tensor& dy, const Tensor& x,
                                                      const Tensor& w, const Tensor& r) {
  backward<Norm::rms>(dx, dw, dy, x, w, {}, r, 0, "rms_norm_grad");
};
const Cuda<kernels::layer_norm> layer_norm = [](Tensor y, Tensor mean, Tensor r, const Tensor& x, const Tensor& w,
                                                double eps) {
  forward<Norm::layer>(y, mean, r, x, w, eps, "layer_norm");
};
const Cuda<kernels::layer_norm_grad> layer_norm_grad = [](const LayerNormGrad& t) {
  backward<Norm::layer>(t.dx, t.dw, t.dy, t.x, t.w, t.mean, t.r, 0, "layer_norm_grad", t.beside);
};
const Cuda<kernels::add_layer_norm> add_layer_norm = [](const AddLayerNorm& t) {
  const char* kernel = "add_layer_norm";
  for (const Tensor* rows : {&t.s, &t.y, &t.a, &t.b}) check_rows(*rows, t.s, kernel);
  for (const Tensor* per_row : {&t.mean, &t.r}) check_per_row(*per_row, t.s, kernel);
  for_stored(t.y, kernel, [&](auto zero) {
    using T = decltype(zero);
    using A = Computed<T>;
    const A* weights = numbers_of<A>(t.w, t.s, kernel);
    start_wide_rows<T>({&t.s, &t.y, &t.a, &t.b, &t.w}, kernel, [&](auto width) {
      return AddedForward<T, decltype(width)::value>{
          {View<T>(t.y), View<T>(t.s), t.mean.data<A>(), t.r.data<A>(), weights, t.s.dim(-1), A(t.eps)},
          View<T>(t.a),
          View<T>(t.b)};
    });
  });
};
const Cuda<kernels::l2_norm> l2_norm = [](Tensor y, Tensor norm, const Tensor& x, double eps) {
  forward<Norm::l2>(y, {}, norm, x, {}, eps, "l2_norm");
};
const Cuda<kernels::l2_norm_grad> l2_norm_grad = [](Tensor dx, const Tensor& dy, const Tensor& x, const Tensor& norm,
                                                    double eps) {
  backward<Norm::l2>(dx, {}, dy, x, {}, {}, norm, eps, "l2_norm_grad");
};

const Cuda<kernels::column_norm> column_norm = [](Tensor norm, const Tensor& w) {
  check_columns(norm, w, "column_norm");
  for_type(w, "column_norm", [&](auto t) {
    using T = decltype(t);
    sum_up<T>(norm, norm.data<T>(), Along::outputs, w.dim(0) * w.dim(2), w.dim(1),
              ProductTerm<T>{w.data<T>(), w.data<T>(), w.dim(1), w.dim(2)}, Root{});
  });
};

const Cuda<kernels::keep_column_norm> keep_column_norm = [](Tensor y, Tensor norm, const Tensor& w,
                                                            const Tensor& target, double eps) {
  check_columns(target, w, "keep_column_norm");
  check_flat({&w, &y}, "keep_column_norm");
  Cuda<kernels::column_norm>::as_part(norm, w);
  for_type(w, "keep_column_norm", [&](auto t) {
    using T = decltype(t);
    start_flat<wide<T>>(
        {&y, &w}, "keep_column_norm",
        Keep<T>{y.data<T>(), w.data<T>(), norm.data<T>(), target.data<T>(), w.dim(1), w.dim(2), T(eps)});
  });
};

const Cuda<kernels::keep_column_norm_grad> keep_column_norm_grad = [](Tensor dw, Tensor dtarget, const Tensor& dy,
                                                                      const Tensor& w, const Tensor& norm,
                                                                      const Tensor& target, double eps) {
  check_columns(norm, w, "keep_column_norm_grad");
  check_columns(target, w, "keep_column_norm_grad");
  check_flat({&w, &dw, &dy}, "keep_column_norm_grad");
  if (dtarget.defined()) check_columns(dtarget, w, "keep_column_norm_grad");
  for_type(w, "keep_column_norm_grad", [&](auto t) {
    using T = decltype(t);
    const Tensor dots = like(norm);
    sum_up<T>(dots, dots.data<T>(), Along::outputs, w.dim(0) * w.dim(2), w.dim(1),
              ProductTerm<T>{dy.data<T>(), w.data<T>(), w.dim(1), w.dim(2)});
    if (dtarget.defined())
      start<1>(dtarget, "keep_column_norm_grad", dots.count(),
               TargetGrad<T>{dtarget.data<T>(), dots.data<T>(), norm.data<T>(), T(eps)});
    start_flat<wide<T>>({&dw, &dy, &w}, "keep_column_norm_grad",
                        KeepGrad<T>{dw.data<T>(), dy.data<T>(), w.data<T>(), norm.data<T>(), target.data<T>(),
                                    dots.data<T>(), w.dim(1), w.dim(2), T(eps)});
  });
};

}  // namespace lact::kernels::cuda
