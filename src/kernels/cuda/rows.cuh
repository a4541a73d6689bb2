// Rows of strided views, as kernels take them: a row is the last dim, of stride 1.
#pragma once
#include "kernels/cuda/launch.cuh"

namespace lact::kernels::cuda {

template <class T>
struct View {  // rows of stride 1
  T* base;
  Places<1> places;
  explicit View(const Tensor& t) : base(t.data<T>()), places(layout_of(t, std::max(0, t.dims() - 1))) {}
  __device__ T* operator[](std::int64_t row) const { return base + places.of(row).at[0]; }
};

inline void check_rows(const Tensor& x, const Tensor& like, const char* kernel) {
  check_same(like, x, kernel);
  check(x.dims() >= 1, "{} needs rows, not a scalar", kernel);
  check(x.dim(-1) <= 1 || x.strides().back() == 1, "{}: the rows of a view must be contiguous", kernel);
}
inline std::int64_t rows_of(const Tensor& x) { return x.dim(-1) == 0 ? 0 : x.count() / x.dim(-1); }

// Whether rows of n can be read V numbers at a time in all of the views.
inline bool rows_fit(std::initializer_list<const Tensor*> views, std::int64_t wide_by) {
  for (const Tensor* t : views) {
    if (!t->defined()) continue;
    const auto bytes = std::min<std::uintptr_t>(16, std::uintptr_t(wide_by * size_of(t->dtype())));
    if (t->dim(-1) % wide_by != 0 || reinterpret_cast<std::uintptr_t>(t->raw()) % bytes != 0) return false;
    for (int d = 0; d + 1 < t->dims(); ++d)
      if (t->dim(d) > 1 && t->strides()[std::size_t(d)] % wide_by != 0) return false;
  }
  return true;
}

// Starts f<V> on the rows of these views, with the widest V that all of them allow.
template <class T, class F>
void start_wide_rows(std::initializer_list<const Tensor*> views, const char* kernel, F f) {
  const Tensor& y = **views.begin();
  if (rows_fit(views, wide<T>))
    start_rows(y, kernel, rows_of(y), y.dim(-1), wide<T>, f(std::integral_constant<int, wide<T>>{}));
  else
    start_rows(y, kernel, rows_of(y), y.dim(-1), 1, f(std::integral_constant<int, 1>{}));
}

}  // namespace lact::kernels::cuda
