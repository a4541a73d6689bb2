// Norms of rows and of columns.
#include "kernels/norms.hpp"

#include "kernels/cpu/partials.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {
namespace {

constexpr std::int64_t enough = 8192;  // numbers worth a thread

template <class T>
T* weights_of(const Tensor& w, const Tensor& x, const char* kernel) {
  if (!w.defined()) return nullptr;
  check(w.count() == x.dim(-1) && w.dtype() == x.dtype(), "{}: {} weights of shape {} for rows of {}", kernel,
        name_of(w.dtype()), text_of(w.shape()), text_of(x.shape()));
  check_contiguous(w, kernel);
  return w.data<T>();
}

// Calls f(row, weights_grad) for each row, where weights_grad [n] gathers the gradients of the weights over the row's
// block of 64 rows, or is null where nobody wants them; then dw = the sum of the blocks.
template <class T, class F>
void each_row_with_weights(const Tensor& dx, std::int64_t rows, T* dw, F f) {
  const std::int64_t n = dx.dim(-1);
  if (dw == nullptr) {
    split(rows, rows_worth(enough, n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) f(i, static_cast<T*>(nullptr));
    });
    return;
  }
  const std::int64_t blocks = (rows + rows_per_block - 1) / rows_per_block;
  Partials<T> partials(dx.device(), blocks, n);
  split(blocks, rows_worth(enough, n * rows_per_block), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b)
      for (std::int64_t i = b * rows_per_block; i < std::min(rows, (b + 1) * rows_per_block); ++i)
        f(i, partials.row(b));
  });
  partials.join(dw);
}

// The columns of [B, m, n] in strips: f(first number, index of its per-column number, columns in the strip).
struct Columns {
  std::int64_t items, rows, n;
};
Columns columns_of(const Tensor& w, const char* kernel) {
  check(w.defined() && w.dims() == 3, "{} takes matrices [B, m, n], not {}", kernel, text_of(w.shape()));
  check_contiguous(w, kernel);
  return {w.dim(0), w.dim(1), w.dim(2)};
}
void check_per_column(const Tensor& r, const Tensor& w, const char* kernel) {
  check(r.defined() && r.shape() == Shape{w.dim(0), 1, w.dim(2)} && r.dtype() == w.dtype(),
        "{}: {} numbers of shape {} for the columns of {}", kernel, name_of(r.dtype()), text_of(r.shape()),
        text_of(w.shape()));
  check_contiguous(r, kernel);
}
template <class F>
void each_strip(const Columns& c, F f) {
  constexpr std::int64_t width = 64;
  const std::int64_t strips = (c.n + width - 1) / width;
  split(c.items * strips, rows_worth(enough, c.rows * width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t item = i / strips, first = i % strips * width;
      f(item * c.rows * c.n + first, item * c.n + first, std::min(width, c.n - first));
    }
  });
}

}  // namespace

const Cpu<kernels::rms_norm> rms_norm = [](Tensor y, Tensor r, const Tensor& x, const Tensor& w, double eps) {
  check_same(y, x, "rms_norm");
  check_per_row(r, x, "rms_norm");
  for_type(y, "rms_norm", [&](auto t) {
    using T = decltype(t);
    const T* weights = weights_of<T>(w, x, "rms_norm");
    const Rows<T> to(y, "rms_norm's result"), from(x, "rms_norm's input");
    split(from.count(), rows_worth(enough, from.size()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        loops<T>().rms_norm(to[i], r.data<T>() + i, from[i], weights, from.size(), T(eps));
    });
  });
};

const Cpu<kernels::rms_norm_grad> rms_norm_grad = [](Tensor dx, Tensor dw, const Tensor& dy, const Tensor& x,
                                                     const Tensor& w, const Tensor& r) {
  check_same(x, dx, "rms_norm_grad");
  check_same(x, dy, "rms_norm_grad");
  check_per_row(r, x, "rms_norm_grad");
  for_type(x, "rms_norm_grad", [&](auto t) {
    using T = decltype(t);
    const T* weights = weights_of<T>(w, x, "rms_norm_grad");
    const Rows<T> to(dx, "rms_norm_grad's result"), from(x, "rms_norm_grad's input"),
        cotangent(dy, "rms_norm_grad's dy");
    each_row_with_weights<T>(
        dx, from.count(), weights_of<T>(dw, x, "rms_norm_grad"), [&](std::int64_t i, T* weights_grad) {
          loops<T>().rms_norm_grad(to[i], weights_grad, cotangent[i], from[i], weights, r.data<T>()[i], from.size());
        });
  });
};

const Cpu<kernels::layer_norm> layer_norm = [](Tensor y, Tensor mean, Tensor r, const Tensor& x, const Tensor& w,
                                               double eps) {
  check_same(y, x, "layer_norm");
  check_per_row(mean, x, "layer_norm");
  check_per_row(r, x, "layer_norm");
  for_type(y, "layer_norm", [&](auto t) {
    using T = decltype(t);
    const T* weights = weights_of<T>(w, x, "layer_norm");
    const Rows<T> to(y, "layer_norm's result"), from(x, "layer_norm's input");
    split(from.count(), rows_worth(enough, from.size()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        loops<T>().layer_norm(to[i], mean.data<T>() + i, r.data<T>() + i, from[i], weights, from.size(), T(eps));
    });
  });
};

const Cpu<kernels::add_layer_norm> add_layer_norm = [](const AddLayerNorm& t) {
  check_same(t.s, t.y, "add_layer_norm");
  check_same(t.s, t.a, "add_layer_norm");
  check_same(t.s, t.b, "add_layer_norm");
  check_per_row(t.mean, t.s, "add_layer_norm");
  check_per_row(t.r, t.s, "add_layer_norm");
  for_type(t.y, "add_layer_norm", [&](auto zero) {
    using T = decltype(zero);
    const T* weights = weights_of<T>(t.w, t.s, "add_layer_norm");
    const Rows<T> to(t.y, "add_layer_norm's result"), sum(t.s, "add_layer_norm's sum"),
        left(t.a, "add_layer_norm's input"), right(t.b, "add_layer_norm's input");
    const std::int64_t n = sum.size();
    split(sum.count(), rows_worth(enough, n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        loops<T>().binary(Binary::add, sum[i], left[i], right[i], n);
        loops<T>().layer_norm(to[i], t.mean.data<T>() + i, t.r.data<T>() + i, sum[i], weights, n, T(t.eps));
      }
    });
  });
};

const Cpu<kernels::layer_norm_grad> layer_norm_grad = [](const LayerNormGrad& t) {
  const bool adds = t.beside.defined();
  if (adds) check_same(t.x, t.beside, "layer_norm_grad");
  check_same(t.x, t.dx, "layer_norm_grad");
  check_same(t.x, t.dy, "layer_norm_grad");
  check_per_row(t.mean, t.x, "layer_norm_grad");
  check_per_row(t.r, t.x, "layer_norm_grad");
  for_type(t.x, "layer_norm_grad", [&](auto zero) {
    using T = decltype(zero);
    const T* weights = weights_of<T>(t.w, t.x, "layer_norm_grad");
    const Rows<T> to(t.dx, "layer_norm_grad's result"), from(t.x, "layer_norm_grad's input"),
        cotangent(t.dy, "layer_norm_grad's dy"), other(adds ? t.beside : t.dx, "layer_norm_grad's other gradient");
    each_row_with_weights<T>(t.dx, from.count(), weights_of<T>(t.dw, t.x, "layer_norm_grad"),
                             [&](std::int64_t i, T* weights_grad) {
                               loops<T>().layer_norm_grad(to[i], weights_grad, cotangent[i], from[i], weights,
                                                          t.mean.data<T>()[i], t.r.data<T>()[i], from.size());
                               if (adds) loops<T>().add_to(to[i], other[i], from.size(), T(1));
                             });
  });
};

const Cpu<kernels::l2_norm> l2_norm = [](Tensor y, Tensor norm, const Tensor& x, double eps) {
  check_same(y, x, "l2_norm");
  check_per_row(norm, x, "l2_norm");
  for_type(y, "l2_norm", [&](auto t) {
    using T = decltype(t);
    const Rows<T> to(y, "l2_norm's result"), from(x, "l2_norm's input");
    split(from.count(), rows_worth(enough, from.size()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        loops<T>().l2_norm(to[i], norm.data<T>() + i, from[i], from.size(), T(eps));
    });
  });
};

const Cpu<kernels::l2_norm_grad> l2_norm_grad = [](Tensor dx, const Tensor& dy, const Tensor& x, const Tensor& norm,
                                                   double eps) {
  check_same(x, dx, "l2_norm_grad");
  check_same(x, dy, "l2_norm_grad");
  check_per_row(norm, x, "l2_norm_grad");
  for_type(x, "l2_norm_grad", [&](auto t) {
    using T = decltype(t);
    const Rows<T> to(dx, "l2_norm_grad's result"), from(x, "l2_norm_grad's input"), cotangent(dy, "l2_norm_grad's dy");
    split(from.count(), rows_worth(enough, from.size()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        loops<T>().l2_norm_grad(to[i], cotangent[i], from[i], norm.data<T>()[i], from.size(), T(eps));
    });
  });
};

const Cpu<kernels::silu_rows> silu_rows = [](Tensor y, Tensor norm, const Tensor& x, double eps) {
  check_same(y, x, "silu_rows");
  if (norm.defined()) check_per_row(norm, x, "silu_rows");
  for_type(y, "silu_rows", [&](auto t) {
    using T = decltype(t);
    const Rows<T> to(y, "silu_rows's result"), from(x, "silu_rows's input");
    split(from.count(), rows_worth(enough, from.size()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        loops<T>().silu_row(to[i], norm.defined() ? norm.data<T>() + i : nullptr, from[i], from.size(), T(eps));
    });
  });
};

const Cpu<kernels::silu_rows_grad> silu_rows_grad = [](Tensor dx, const Tensor& dy, const Tensor& x, const Tensor& norm,
                                                       double eps) {
  check_same(x, dx, "silu_rows_grad");
  check_same(x, dy, "silu_rows_grad");
  if (norm.defined()) check_per_row(norm, x, "silu_rows_grad");
  for_type(x, "silu_rows_grad", [&](auto t) {
    using T = decltype(t);
    const Rows<T> to(dx, "silu_rows_grad's result"), from(x, "silu_rows_grad's input"),
        cotangent(dy, "silu_rows_grad's dy");
    split(from.count(), rows_worth(enough, from.size()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        loops<T>().silu_row_grad(to[i], cotangent[i], from[i], norm.defined() ? norm.data<T>() + i : nullptr,
                                 from.size(), T(eps));
    });
  });
};

const Cpu<kernels::column_norm> column_norm = [](Tensor norm, const Tensor& w) {
  const Columns c = columns_of(w, "column_norm");
  check_per_column(norm, w, "column_norm");
  for_type(w, "column_norm", [&](auto t) {
    using T = decltype(t);
    each_strip(c, [&](std::int64_t at, std::int64_t column, std::int64_t n) {
      T* to = norm.data<T>() + column;
      loops<T>().column_squares(to, w.data<T>() + at, c.n, c.rows, n);
      loops<T>().unary(Unary::sqrt, to, to, n, T(0));
    });
  });
};

const Cpu<kernels::keep_column_norm> keep_column_norm = [](Tensor y, Tensor norm, const Tensor& w, const Tensor& target,
                                                           double eps) {
  const Columns c = columns_of(w, "keep_column_norm");
  check_flat({&w, &y}, "keep_column_norm");
  check_per_column(norm, w, "keep_column_norm");
  check_per_column(target, w, "keep_column_norm");
  for_type(w, "keep_column_norm", [&](auto t) {
    using T = decltype(t);
    each_strip(c, [&](std::int64_t at, std::int64_t column, std::int64_t n) {
      T *norms = norm.data<T>() + column, factor[64];
      loops<T>().column_squares(norms, w.data<T>() + at, c.n, c.rows, n);
      loops<T>().unary(Unary::sqrt, norms, norms, n, T(0));
      loops<T>().unary(Unary::shift, factor, norms, n, T(eps));
      loops<T>().unary(Unary::inverse, factor, factor, n, T(0));
      loops<T>().binary(Binary::multiply, factor, factor, target.data<T>() + column, n);
      loops<T>().column_scale(y.data<T>() + at, w.data<T>() + at, factor, c.n, c.rows, n);
    });
  });
};

const Cpu<kernels::keep_column_norm_grad> keep_column_norm_grad = [](Tensor dw, Tensor dtarget, const Tensor& dy,
                                                                     const Tensor& w, const Tensor& norm,
                                                                     const Tensor& target, double eps) {
  const Columns c = columns_of(w, "keep_column_norm_grad");
  check_flat({&w, &dw, &dy}, "keep_column_norm_grad");
  check_per_column(norm, w, "keep_column_norm_grad");
  check_per_column(target, w, "keep_column_norm_grad");
  if (dtarget.defined()) check_per_column(dtarget, w, "keep_column_norm_grad");
  for_type(w, "keep_column_norm_grad", [&](auto t) {
    using T = decltype(t);
    each_strip(c, [&](std::int64_t at, std::int64_t column, std::int64_t n) {
      T straight[64], back[64];
      loops<T>().column_dots(back, dy.data<T>() + at, w.data<T>() + at, c.n, c.rows, n);
      for (std::int64_t j = 0; j < n; ++j) {
        const T length = norm.data<T>()[column + j], wanted = target.data<T>()[column + j];
        const T s = length + T(eps) == T(0) ? T(0) : T(1) / (length + T(eps));
        if (dtarget.defined()) dtarget.data<T>()[column + j] = back[j] * s;
        back[j] = length == T(0) ? T(0) : back[j] * wanted * s * s / length;
        straight[j] = wanted * s;
      }
      loops<T>().column_mix(dw.data<T>() + at, dy.data<T>() + at, straight, w.data<T>() + at, back, c.n, c.rows, n);
    });
  });
};

}  // namespace lact::kernels::cpu
