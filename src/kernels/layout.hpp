// How the numbers of K views of one shape lie in memory: sizes and, for each view, steps. Neighbouring dims that all
// views store as one are joined, so a contiguous tensor of any shape is a single dim.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <vector>

#include "base/check.hpp"
#include "tensor/tensor.hpp"

namespace lact::kernels {

template <int K>
struct Layout {
  static constexpr int most = 12;
  int dims = 0;  // at least 1
  std::array<std::int64_t, most> size{};
  std::array<std::array<std::int64_t, most>, K> step{};

  std::int64_t count() const {
    std::int64_t n = 1;
    for (int d = 0; d < dims; ++d) n *= size[std::size_t(d)];
    return n;
  }
  bool contiguous() const { return dims == 1 && (step[0][0] == 1 || size[0] == 1); }

  // Adds a dim of n numbers, `by` apart in each view, inside the dims so far. Joined to the last one where in all views
  // its steps are n times as large.
  void push(std::int64_t n, const std::array<std::int64_t, K>& by) {
    if (n == 1) return;
    if (dims > 0) {
      const auto last = std::size_t(dims - 1);
      bool joins = true;
      for (std::size_t k = 0; k < K; ++k) joins = joins && step[k][last] == by[k] * n;
      if (joins) {
        size[last] *= n;
        for (std::size_t k = 0; k < K; ++k) step[k][last] = by[k];
        return;
      }
    }
    check(dims < most, "a kernel takes views of at most {} dims", most);
    size[std::size_t(dims)] = n;
    for (std::size_t k = 0; k < K; ++k) step[k][std::size_t(dims)] = by[k];
    ++dims;
  }
  void close() {  // a scalar has no dims: make it one dim of one number
    if (dims > 0) return;
    size[0] = 1;
    for (auto& s : step) s[0] = 1;
    dims = 1;
  }
};

// The layout of the first `dims` dims of x.
inline Layout<1> layout_of(const Tensor& x, int dims) {
  Layout<1> l;
  for (int d = 0; d < dims; ++d) l.push(x.shape()[std::size_t(d)], {x.strides()[std::size_t(d)]});
  l.close();
  return l;
}
inline Layout<1> layout_of(const Tensor& x) { return layout_of(x, x.dims()); }

// Both views' dims in the order in which y lies in memory, so that writing is as sequential as it can be.
inline Layout<2> layout_by_y(const Tensor& y, const Tensor& x) {
  std::vector<std::size_t> order(y.shape().size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return y.strides()[a] > y.strides()[b]; });
  Layout<2> l;
  for (auto d : order) l.push(y.shape()[d], {y.strides()[d], x.strides()[d]});
  l.close();
  return l;
}

// Where the i-th number (or row) begins, i in row-major order.
inline std::int64_t offset_of(const Layout<1>& l, std::int64_t i) {
  if (l.dims == 1) return i * l.step[0][0];
  std::int64_t at = 0;
  for (int d = l.dims; d-- > 0;) {
    const auto n = l.size[std::size_t(d)];
    at += i % n * l.step[0][std::size_t(d)];
    i /= n;
  }
  return at;
}

// Rows of a view: the last dim is a row of stride 1, the dims before it count the rows.
template <class T>
class Rows {
 public:
  explicit Rows(const Tensor& x, const char* name)
      : base_(x.data<T>()), layout_(layout_of(x, std::max(0, x.dims() - 1))) {
    check(x.dims() >= 1, "{} has no rows", name);
    n_ = x.dim(-1);
    check(n_ <= 1 || x.strides().back() == 1, "the rows of {} must be contiguous", name);
    count_ = n_ == 0 ? 0 : x.count() / n_;
  }
  T* operator[](std::int64_t i) const { return base_ + offset_of(layout_, i); }
  std::int64_t count() const { return count_; }
  std::int64_t size() const { return n_; }

 private:
  T* base_;
  Layout<1> layout_;
  std::int64_t n_ = 0, count_ = 0;
};

// Copies n numbers of a view, from the begin-th on in row-major order, side by side.
template <class T>
void gather(T* to, const T* from, const Layout<1>& l, std::int64_t begin, std::int64_t n) {
  const auto last = std::size_t(l.dims - 1);
  const std::int64_t run = l.size[last], step = l.step[0][last];
  std::array<std::int64_t, Layout<1>::most> at{};
  std::int64_t rest = begin, offset = 0;
  for (std::size_t d = std::size_t(l.dims); d-- > 0;) {
    at[d] = rest % l.size[d];
    rest /= l.size[d];
    offset += at[d] * l.step[0][d];
  }
  while (n > 0) {
    const std::int64_t m = std::min(n, run - at[last]);
    if (step == 1)
      std::copy_n(from + offset, m, to);
    else if (step == 0)
      std::fill_n(to, m, from[offset]);
    else
      for (std::int64_t i = 0; i < m; ++i) to[i] = from[offset + i * step];
    to += m;
    n -= m;
    at[last] += m;
    offset += m * step;
    for (std::size_t d = last; at[d] == l.size[d] && d > 0; --d) {
      offset += l.step[0][d - 1] - at[d] * l.step[0][d];
      at[d] = 0;
      ++at[d - 1];
    }
  }
}

// Calls f(T{}) with the element type of y: float or double.
template <class F>
void for_type(const Tensor& y, const char* kernel, F&& f) {
  switch (y.dtype()) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    default:
      fail("{} computes in f32 or f64, not {}", kernel, name_of(y.dtype()));
  }
}

inline void check_same(const Tensor& y, const Tensor& x, const char* kernel) {
  check(x.defined() && x.shape() == y.shape() && x.dtype() == y.dtype(), "{}: {} {} where {} {} is expected", kernel,
        name_of(x.dtype()), text_of(x.shape()), name_of(y.dtype()), text_of(y.shape()));
}
inline void check_contiguous(const Tensor& x, const char* kernel) {
  check(x.contiguous(), "{} needs contiguous numbers, not strides {} of shape {}", kernel, text_of(x.strides()),
        text_of(x.shape()));
}
inline void check_flat(std::initializer_list<const Tensor*> all,
                       const char* kernel) {  // one shape and type, contiguous
  for (const Tensor* x : all) {
    check_same(**all.begin(), *x, kernel);
    check_contiguous(*x, kernel);
  }
}

// A number for each row of x, contiguous: of x's type, or f32 beside bf16.
inline void check_per_row(const Tensor& r, const Tensor& x, const char* kernel) {
  Shape rows = x.shape();
  check(!rows.empty(), "{} needs rows, not a scalar", kernel);
  rows.pop_back();
  check(r.defined() && r.count() == count_of(rows) && r.dtype() == (x.dtype() == DType::bf16 ? DType::f32 : x.dtype()),
        "{}: per-row numbers of shape {} for rows of {}", kernel, text_of(r.shape()), text_of(x.shape()));
  check_contiguous(r, kernel);
}

// Rows of one shape and type, contiguous, and numbers for each of them.
inline void check_flat_rows(std::initializer_list<const Tensor*> rows, std::initializer_list<const Tensor*> per_row,
                            const char* kernel) {
  check_flat(rows, kernel);
  for (const Tensor* r : per_row) check_per_row(*r, **rows.begin(), kernel);
}

}  // namespace lact::kernels
