#include <algorithm>

#include "autograd/broadcast.hpp"
#include "autograd/operands.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "kernels/sums.hpp"

namespace lact {

DType one_type(std::string_view op, std::span<const Var> xs) {
  const DType first = xs.front().value().dtype();
  for (const Var& x : xs)
    check(x.value().dtype() == first, "{} of {} and {} numbers: cast one of them", op, name_of(first),
          name_of(x.value().dtype()));
  return first;
}

Var view(const Var& x, Shape s) {
  if (x.shape() == s) return x;
  return op("view", dense(x.value()).view(std::move(s)), {x},
            [from = x.shape()](const Var& dy) { return Grads{view(dy, from)}; });
}

Var permute(const Var& x, const std::vector<int>& order) {
  std::vector<int> back(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) back[std::size_t(order[i])] = int(i);
  return op("permute", x.value().permute(order), {x}, [back](const Var& dy) { return Grads{permute(dy, back)}; });
}

Var transpose(const Var& x) {
  return op("transpose", x.value().transpose(), {x}, [](const Var& dy) { return Grads{transpose(dy)}; });
}

Var cut(const Var& x, int dim, Range r) {
  return op("cut", x.value().cut(dim, r), {x},
            [dim, r, size = x.dim(dim)](const Var& dy) { return Grads{pad(dy, dim, r, size)}; });
}

Var pad(const Var& x, int dim, Range r, std::int64_t size) {
  if (r.size() == size) return x;
  Shape s = x.shape();
  s[std::size_t(dim < 0 ? dim + int(s.size()) : dim)] = size;
  Tensor y = like(x.value(), s);
  kernels::fill(y, 0);
  kernels::unary(kernels::Unary::copy, y.cut(dim, r), x.value());
  return op("pad", y, {x}, [dim, r](const Var& dy) { return Grads{cut(dy, dim, r)}; });
}

Var join(const std::vector<Var>& xs, int dim) {
  check(!xs.empty(), "join() of nothing");
  one_type("join", xs);
  if (xs.size() == 1) return xs[0];
  Shape s = xs[0].shape();
  auto d = std::size_t(dim < 0 ? dim + int(s.size()) : dim);
  s[d] = 0;
  std::vector<Range> parts;
  for (const Var& x : xs) {
    parts.push_back({s[d], s[d] + x.shape()[d]});
    s[d] = parts.back().end;
  }
  Tensor y = like(xs[0].value(), s);
  for (std::size_t i = 0; i < xs.size(); ++i)
    kernels::unary(kernels::Unary::copy, y.cut(int(d), parts[i]), xs[i].value());
  return op("join", y, xs, [d, parts](const Var& dy) {
    Grads g;
    for (const Range& r : parts) g.push_back(cut(dy, int(d), r));
    return g;
  });
}

std::vector<Var> pieces(const Var& x, int dim, std::span<const std::int64_t> sizes) {
  std::vector<Tensor> parts;
  std::int64_t at = 0;
  for (const std::int64_t size : sizes) parts.push_back(x.value().cut(dim, {at, at + size})), at += size;
  check(at == x.dim(dim), "pieces of {} rows in all of a tensor with {}", at, x.dim(dim));
  std::vector<Shape> shapes;
  for (const Tensor& p : parts) shapes.push_back(p.shape());
  return op_many("pieces", parts, {x}, [dim, shapes](std::span<const Var> dys) {
    const Var some = *std::ranges::find_if(dys, [](const Var& g) { return bool(g); });
    std::vector<Var> all(dys.begin(), dys.end());
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i]) continue;
      const Tensor zero = like(some.value(), shapes[i]);
      kernels::fill(zero, 0);
      all[i] = zero;
    }
    return Grads{join(all, dim)};
  });
}

Var expand(const Var& x, const Shape& s) {
  if (x.shape() == s) return x;
  return op("expand", x.value().expand(s), {x}, [from = x.shape()](const Var& dy) { return Grads{sum_to(dy, from)}; });
}

Var sum_to(const Var& x, const Shape& s) { return sum_to(x, s, x.value().dtype()); }

Var sum_to(const Var& x, const Shape& s, DType t) {
  if (x.shape() == s) return cast(x, t);
  Shape aligned(x.shape().size() - s.size(), 1);
  aligned.insert(aligned.end(), s.begin(), s.end());
  Tensor y = Tensor::empty(x.value().device(), aligned, t);
  kernels::sum_to(y, x.value());
  return op("sum_to", y.view(s), {x}, [from = x.shape(), type = x.value().dtype()](const Var& dy) {
    return Grads{expand(cast(dy, type), from)};
  });
}

Var sum(const Var& x) { return view(sum_to(x, Shape(x.shape().size(), 1)), {1}); }

Var mean(const Var& x) { return scale(sum(x), 1.0 / double(std::max<std::int64_t>(x.value().count(), 1))); }

std::vector<Tensor> parts_by_heads(const Tensor& x, std::int64_t parts, std::int64_t heads) {
  check(x.dims() == 3, "heads of a tensor of shape {}", text_of(x.shape()));
  const std::int64_t d = x.dim(2) / (parts * heads);
  check(d * parts * heads == x.dim(2), "{} channels do not split into {} x {} heads", x.dim(2), parts, heads);
  const Tensor all = x.view({x.dim(0), x.dim(1), parts, heads, d}).permute({2, 0, 3, 1, 4});
  std::vector<Tensor> ys;
  for (std::int64_t p = 0; p < parts; ++p) ys.push_back(all.select(0, p));
  return ys;
}

std::vector<Var> split_heads(const Var& x, int parts, std::int64_t heads) {
  return op_many("split_heads", parts_by_heads(dense(x.value()), parts, heads), {x}, [](std::span<const Var> dys) {
    Var some = *std::ranges::find_if(dys, [](const Var& g) { return bool(g); });
    std::vector<Var> whole(dys.begin(), dys.end());
    for (Var& g : whole) {
      if (g) continue;
      Tensor zero = like(some.value());
      kernels::fill(zero, 0);
      g = zero;
    }
    return Grads{join_heads(whole)};
  });
}

Var join_heads(const std::vector<Var>& xs) {
  one_type("join_heads", xs);
  const Shape& s = xs[0].shape();  // b, heads, t, d
  auto parts = std::int64_t(xs.size());
  Tensor y = like(xs[0].value(), {s[0], s[2], parts, s[1], s[3]});
  Tensor all = y.permute({2, 0, 3, 1, 4});
  // a part that already lies in place (attention writes [b, t, heads, d]) needs no copy
  if (parts == 1 && xs[0].value().permute({0, 2, 1, 3}).contiguous()) {
    y = xs[0].value().permute({0, 2, 1, 3});
  } else {
    for (std::int64_t p = 0; p < parts; ++p)
      kernels::unary(kernels::Unary::copy, all.select(0, p), xs[std::size_t(p)].value());
  }
  return op("join_heads", y.view({s[0], s[2], parts * s[1] * s[3]}), xs,
            [parts, heads = s[1]](const Var& dy) { return split_heads(dy, int(parts), heads); });
}

Var gather_rows(const Var& x, std::span<const Range> ranges) {
  if (ranges.empty()) return cut(x, 1, {0, 0});
  if (ranges.size() == 1) return ranges[0].begin == 0 && ranges[0].end == x.dim(1) ? x : cut(x, 1, ranges[0]);
  std::vector<Var> parts;
  for (const Range& r : ranges) parts.push_back(cut(x, 1, r));
  return join(parts, 1);
}

}  // namespace lact
