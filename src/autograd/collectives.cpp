#include "autograd/collectives.hpp"

#include <utility>

#include "autograd/broadcast.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/pointwise.hpp"

namespace lact {

// A linear exchange and its transpose on plain numbers.
struct Adjoint {
  using Start = std::function<std::pair<Tensor, Work>(const Tensor&)>;
  Start forward, backward;
  Work work;  // of the transpose, while it is on its way
  Var coming;
};

namespace {

// Two ops: "begin" carries the pullback that waits for the transpose, "finish" the one that begins it. A gradient that
// is itself to be differentiated goes the same way with the roles exchanged.
InFlight begin(const char* name, const Var& x, Adjoint::Start forward, Adjoint::Start backward) {
  auto pair = std::make_shared<Adjoint>(Adjoint{std::move(forward), std::move(backward), {}, {}});
  auto [y, work] = pair->forward(x.value());
  Var buffer = op(
      name, y, {x},
      [pair, name](const Var& dy) {
        if (dy.tape() != nullptr) return Grads{finish(begin(name, dy, pair->backward, pair->forward))};
        check(bool(pair->coming), "{}: the gradient of its begin was asked without that of its finish", name);
        pair->work.wait();
        return Grads{std::exchange(pair->coming, {})};
      },
      Rule::collective);
  return {buffer, pair, work};
}

}  // namespace

Var finish(InFlight f) {
  f.work.wait();
  if (!f.adjoint) return f.buffer;
  return op(
      "finish", f.buffer.value(), {f.buffer},
      [pair = f.adjoint](const Var& dy) {
        if (dy.tape() != nullptr) return Grads{dy};
        auto [t, work] = pair->backward(dy.value());
        pair->coming = t, pair->work = work;
        return Grads{pair->coming};
      },
      Rule::collective);
}

InFlight begin_sum(const Var& x, Communicator& c) {
  if (c.size() == 1) return {x, nullptr, {}};
  auto sum = [&c](const Tensor& t) {
    Tensor y = like(t);  // reduces in place, so it owns its numbers
    kernels::unary(kernels::Unary::copy, y, t);
    return std::pair(y, c.all_reduce(y));
  };
  return begin("sum", x, sum, sum);
}
Var sum_over(const Var& x, Communicator& c) { return finish(begin_sum(x, c)); }

namespace {

// [.., dim, ..] seen with `dim` in front, contiguous, as collectives want it; and back.
Tensor in_front(const Tensor& t, int dim) {
  std::vector<int> order{dim};
  for (int i = 0; i < int(t.shape().size()); ++i)
    if (i != dim) order.push_back(i);
  return dense(t.permute(order));
}
Tensor from_front(const Tensor& t, int dim) {
  std::vector<int> order;
  for (int i = 1; i < int(t.shape().size()); ++i) order.push_back(i);
  order.insert(order.begin() + dim, 0);
  return t.permute(order);
}

struct Parts {  // how a dim lies on ranks
  Communicator* c;
  int dim;
  std::vector<std::int64_t> counts;
  std::int64_t mine() const { return counts[std::size_t(c->rank())]; }
  std::int64_t all() const {
    std::int64_t n = 0;
    for (std::int64_t k : counts) n += k;
    return n;
  }
  std::vector<std::int64_t> elements(std::int64_t per_row) const {
    std::vector<std::int64_t> e = counts;
    for (std::int64_t& n : e) n *= per_row;
    return e;
  }
};

Adjoint::Start gathering(const Parts& p) {
  return [p](const Tensor& t) {
    check(t.dim(p.dim) == p.mine(), "gather: rank {} holds {} of dim {}, not {}", p.c->rank(), t.dim(p.dim), p.dim,
          p.mine());
    Tensor in = in_front(t, p.dim);
    Shape s = in.shape();
    s[0] = 1;
    std::int64_t per_row = count_of(s);
    s[0] = p.all();
    Tensor out = like(in, s);
    Work work = p.c->all_gather(out, in, p.elements(per_row));
    return std::pair(from_front(out, p.dim), work);
  };
}
Adjoint::Start scattering(const Parts& p) {
  return [p](const Tensor& t) {
    check(t.dim(p.dim) == p.all(), "scatter_sum: {} along dim {}, not {}", t.dim(p.dim), p.dim, p.all());
    Tensor in = in_front(t, p.dim);
    Shape s = in.shape();
    s[0] = 1;
    std::int64_t per_row = count_of(s);
    s[0] = p.mine();
    Tensor out = like(in, s);
    Work work = p.c->reduce_scatter(out, in, p.elements(per_row));
    return std::pair(from_front(out, p.dim), work);
  };
}

}  // namespace

InFlight begin_gather(const Var& x, int dim, Communicator& c, std::vector<std::int64_t> counts) {
  if (c.size() == 1) return {x, nullptr, {}};
  if (counts.empty()) counts.assign(std::size_t(c.size()), x.dim(dim));
  Parts p{&c, dim, std::move(counts)};
  return begin("gather", x, gathering(p), scattering(p));
}
Var gather(const Var& x, int dim, Communicator& c, std::vector<std::int64_t> counts) {
  return finish(begin_gather(x, dim, c, std::move(counts)));
}

InFlight begin_scatter_sum(const Var& x, int dim, Communicator& c, std::vector<std::int64_t> counts) {
  if (c.size() == 1) return {x, nullptr, {}};
  if (counts.empty()) counts = even_counts(x.dim(dim), c.size());
  Parts p{&c, dim, std::move(counts)};
  return begin("scatter_sum", x, scattering(p), gathering(p));
}
Var scatter_sum(const Var& x, int dim, Communicator& c, std::vector<std::int64_t> counts) {
  return finish(begin_scatter_sum(x, dim, c, std::move(counts)));
}

InFlight begin_all_to_all(const Var& x, Communicator& c, std::vector<std::int64_t> counts) {
  if (c.size() == 1) return {x, nullptr, {}};
  auto n = std::size_t(c.size());
  std::vector<std::int64_t> back(n * n);
  for (std::size_t a = 0; a < n; ++a)
    for (std::size_t b = 0; b < n; ++b) back[b * n + a] = counts[a * n + b];
  auto sending = [&c, n](std::vector<std::int64_t> table) {
    return [&c, n, table = std::move(table)](const Tensor& t) {
      std::int64_t coming = 0;
      for (std::size_t a = 0; a < n; ++a) coming += table[a * n + std::size_t(c.rank())];
      Tensor in = dense(t), out = like(in, {coming});
      Work work = c.all_to_all(out, in, table);
      return std::pair(out, work);
    };
  };
  return begin("all_to_all", x, sending(std::move(counts)), sending(std::move(back)));
}
Var all_to_all(const Var& x, Communicator& c, std::vector<std::int64_t> counts) {
  return finish(begin_all_to_all(x, c, std::move(counts)));
}

}  // namespace lact
