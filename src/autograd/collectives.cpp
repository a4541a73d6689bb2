#include "autograd/collectives.hpp"

#include <array>
#include <functional>
#include <numeric>
#include <utility>

#include "autograd/broadcast.hpp"
#include "autograd/operands.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/pointwise.hpp"

namespace lact {

using Counts = std::vector<std::int64_t>;

// The one way in which a collective gets onto the tape. Between the two pullbacks the adjoint is itself a collective in
// flight, so every order of derivative exists, and a second pass over the same tape begins its own.
struct CollectiveOp {
  std::string_view name;
  Tensor arriving;
  Work work;
  std::function<std::vector<Tensor>(const Tensor&)> unpack;
  std::function<InFlight(std::span<const Var> dys)> adjoint;
  bool place = false;  // the last input only holds the place: no numbers of it travel

  InFlight from(std::vector<Var> in) && {
    InFlight f;
    f.returning_ = std::make_shared<std::unique_ptr<InFlight>>();
    std::vector<DType> types;
    for (const Var& x : in) types.push_back(x.value().dtype());
    const Shape of_place = place ? in.back().shape() : Shape{};
    auto back = [returning = f.returning_, types, of_place, has_place = place](std::span<const Var>) {
      Grads grads(types.size());
      if (!*returning) return grads;  // nobody finished it: nothing depends on it
      const auto adjoint_in_flight = std::exchange(*returning, nullptr);
      std::vector<Var> found = finish_all(std::move(*adjoint_in_flight));
      if (has_place && found.back().tape() != nullptr)  // a zero that keeps the adjoint on the tape, too
        found.back() = expand(view(sum(found.back()), Shape(of_place.size(), 1)), of_place);
      else if (has_place)
        found.back() = {};
      for (std::size_t i = 0; i < types.size(); ++i)
        grads[i] = !found[i] || found[i].value().dtype() == types[i] ? found[i] : cast(found[i], types[i]);
      return grads;
    };
    f.buffer_ = op_many(name, {std::move(arriving)}, std::move(in), std::move(back), Rule::collective)[0];
    f.work_ = std::move(work), f.unpack_ = std::move(unpack), f.adjoint_ = std::move(adjoint);
    return f;
  }
  static InFlight local(std::vector<Var> results) {
    InFlight f;
    f.local_ = std::move(results);
    return f;
  }
  static Var buffer(const InFlight& f) { return f.buffer_; }
};

std::vector<Var> finish_all(InFlight f) {
  if (!f.buffer_) return f.local_;
  f.work_.wait();
  auto back = [returning = f.returning_, adjoint = f.adjoint_](std::span<const Var> dys) {
    *returning = std::make_unique<InFlight>(adjoint(dys));
    return Grads{CollectiveOp::buffer(**returning)};
  };
  return op_many("finish", f.unpack_(f.buffer_.value()), {f.buffer_}, std::move(back), Rule::collective);
}

Var finish(InFlight f) { return finish_all(std::move(f)).at(0); }

namespace {

std::vector<Tensor> as_it_is(const Tensor& t) { return {t}; }

Tensor copied(const Tensor& x) {
  Tensor t = like(x);
  kernels::unary(kernels::Unary::copy, t, x);
  return t;
}

// A dim brought to the front, and back.
struct Turn {
  std::vector<int> there, back;
  Turn(int dim, int dims) {
    dim = dim < 0 ? dim + dims : dim;
    check(dim >= 0 && dim < dims, "dim {} of a value with {} dims", dim, dims);
    there.push_back(dim);
    for (int d = 0; d < dims; ++d)
      if (d != dim) there.push_back(d);
    back.resize(there.size());
    for (std::size_t d = 0; d < there.size(); ++d) back[std::size_t(there[d])] = int(d);
  }
  Tensor in_front(const Tensor& x) const { return dense(x.permute(there)); }
};

std::int64_t total(std::span<const std::int64_t> c) { return std::accumulate(c.begin(), c.end(), std::int64_t(0)); }

Counts counts_or(std::span<const std::int64_t> given, const Communicator& c, std::int64_t each) {
  if (given.empty()) return Counts(std::size_t(c.size()), each);
  check(given.size() == std::size_t(c.size()), "{} counts for {} ranks", given.size(), c.size());
  return {given.begin(), given.end()};
}

Counts times(Counts c, std::int64_t factor) {
  for (auto& n : c) n *= factor;
  return c;
}

std::int64_t rest_of(const Shape& s) {
  return std::accumulate(s.begin() + 1, s.end(), std::int64_t(1), std::multiplies());
}

Var summable(const Var& x) { return x.value().dtype() == DType::bf16 ? cast(x, DType::f32) : x; }

}  // namespace

InFlight begin_sum(const Var& x, Communicator& c) {
  if (c.size() == 1) return CollectiveOp::local({x});
  const Tensor t = copied(x.value());  // the sum works in place
  auto adjoint = [&c](std::span<const Var> dys) { return begin_sum(dys[0], c); };
  return CollectiveOp{"sum", t, c.all_reduce(t), as_it_is, adjoint}.from({x});
}

InFlight begin_gather(const Var& x, int dim, Communicator& c, std::span<const std::int64_t> given) {
  const Turn turn(dim, x.value().dims());
  const Counts counts = counts_or(given, c, x.dim(dim));
  check(x.dim(dim) == counts[std::size_t(c.rank())], "a gather of {} where the counts say {}", x.dim(dim),
        counts[std::size_t(c.rank())]);
  if (c.size() == 1) return CollectiveOp::local({x});
  const Tensor mine = turn.in_front(x.value());
  Shape whole = mine.shape();
  whole[0] = total(counts);
  const Tensor all = like(mine, whole);
  auto adjoint = [&c, dim, counts](std::span<const Var> dys) {
    return begin_scatter_sum(summable(dys[0]), dim, c, counts);
  };
  auto unpack = [turn](const Tensor& t) { return std::vector{t.permute(turn.back)}; };
  Work work = c.all_gather(all, mine, times(counts, rest_of(whole)));
  return CollectiveOp{"gather", all, std::move(work), unpack, adjoint}.from({x});
}

InFlight begin_scatter_sum(const Var& x, int dim, Communicator& c, std::span<const std::int64_t> given) {
  const Turn turn(dim, x.value().dims());
  check(!given.empty() || x.dim(dim) % c.size() == 0, "{} rows do not divide over {} ranks", x.dim(dim), c.size());
  const Counts counts = counts_or(given, c, x.dim(dim) / c.size());
  check(x.dim(dim) == total(counts), "a scatter of {} where the counts say {}", x.dim(dim), total(counts));
  if (c.size() == 1) return CollectiveOp::local({x});
  const Tensor all = turn.in_front(x.value());
  Shape part = all.shape();
  part[0] = counts[std::size_t(c.rank())];
  const Tensor mine = like(all, part);
  auto adjoint = [&c, dim, counts](std::span<const Var> dys) { return begin_gather(dys[0], dim, c, counts); };
  auto unpack = [turn](const Tensor& t) { return std::vector{t.permute(turn.back)}; };
  Work work = c.reduce_scatter(mine, all, times(counts, rest_of(part)));
  return CollectiveOp{"scatter_sum", mine, std::move(work), unpack, adjoint}.from({x});
}

// Packed: the parts one after the other, each contiguous in x's order of dims.
InFlight begin_all_to_all(const Var& x, int cut_dim, int join_dim, Communicator& c,
                          std::span<const std::int64_t> given_cut, std::span<const std::int64_t> given_join) {
  const int dims = x.value().dims();
  cut_dim = cut_dim < 0 ? cut_dim + dims : cut_dim, join_dim = join_dim < 0 ? join_dim + dims : join_dim;
  check(cut_dim != join_dim, "an all_to_all cuts and joins the same dim {}", cut_dim);
  const auto n = std::size_t(c.size()), me = std::size_t(c.rank());
  check(!given_cut.empty() || x.dim(cut_dim) % c.size() == 0, "dim {} of size {} does not divide over {} ranks",
        cut_dim, x.dim(cut_dim), c.size());
  const Counts cuts = counts_or(given_cut, c, x.dim(cut_dim) / c.size()),
               joins = counts_or(given_join, c, x.dim(join_dim));
  check(x.dim(cut_dim) == total(cuts) && x.dim(join_dim) == joins[me],
        "an all_to_all of shape {} where the counts say {} along dim {} and {} along dim {}", text_of(x.shape()),
        total(cuts), cut_dim, joins[me], join_dim);
  if (n == 1) return CollectiveOp::local({x});
  Shape result = x.shape();
  result[std::size_t(cut_dim)] = cuts[me], result[std::size_t(join_dim)] = total(joins);
  std::int64_t others = 1;  // of all dims but these two
  for (int d = 0; d < dims; ++d)
    if (d != cut_dim && d != join_dim) others *= x.dim(d);
  Counts matrix;
  for (std::size_t a = 0; a < n; ++a)
    for (std::size_t b = 0; b < n; ++b) matrix.push_back(joins[a] * cuts[b] * others);

  const Tensor packed = like(x.value(), {x.value().count()}), arriving = like(x.value(), {count_of(result)});
  for (std::int64_t p = 0, at = 0, from = 0; p < c.size(); from += cuts[std::size_t(p)], ++p) {
    const Tensor part = x.value().cut(cut_dim, {from, from + cuts[std::size_t(p)]});
    kernels::unary(kernels::Unary::copy, packed.cut(0, {at, at + part.count()}).view(part.shape()), part);
    at += part.count();
  }
  auto unpack = [result, joins, join_dim](const Tensor& t) {
    const Tensor y = like(t, result);
    std::int64_t at = 0, to = 0;
    for (std::int64_t rows : joins) {
      const Tensor part = y.cut(join_dim, {to, to + rows});
      kernels::unary(kernels::Unary::copy, part, t.cut(0, {at, at + part.count()}).view(part.shape()));
      at += part.count(), to += rows;
    }
    return std::vector{y};
  };
  auto adjoint = [&c, cut_dim, join_dim, cuts, joins](std::span<const Var> dys) {
    return begin_all_to_all(dys[0], join_dim, cut_dim, c, joins, cuts);
  };
  Work work = c.all_to_all(arriving, packed, matrix);
  return CollectiveOp{"all_to_all", arriving, std::move(work), unpack, adjoint}.from({x});
}

// All that arrives stands in one buffer. Besides it there is always one empty result, so that the node is pulled also
// where nothing arrives.
InFlight begin_exchange(const Var& place, std::span<const Sent> sent, std::span<const Wanted> wanted, Communicator& c) {
  std::vector<Message> messages;
  std::vector<Var> in;
  std::vector<Wanted> returned;  // what the adjoint brings back
  std::int64_t size = 0;
  for (const Wanted& w : wanted) size += count_of(w.shape);
  const Tensor arriving = like(place.value(), {size});
  for (const Sent& s : sent) {
    one_type("exchange", std::array{place, s.body});
    messages.push_back({dense(s.body.value()), s.to, true});
    in.push_back(s.body);
    returned.push_back({s.body.shape(), s.to});
  }
  in.push_back(place);
  std::vector<Wanted> asked(wanted.begin(), wanted.end());
  auto part = [](const Tensor& t, std::int64_t& at, const Shape& s) {
    at += count_of(s);
    return t.cut(0, {at - count_of(s), at}).view(s);
  };
  std::int64_t at = 0;
  for (const Wanted& w : asked) messages.push_back({part(arriving, at, w.shape), w.from, false});
  auto unpack = [asked, part](const Tensor& t) {
    std::vector<Tensor> ys;
    std::int64_t from = 0;
    for (const Wanted& w : asked) ys.push_back(part(t, from, w.shape));
    ys.push_back(like(t, {0}));
    return ys;
  };
  auto adjoint = [&c, asked, returned](std::span<const Var> dys) {
    std::vector<Sent> back;
    for (std::size_t i = 0; i < asked.size(); ++i) back.push_back({dys[i], asked[i].from});
    return begin_exchange(dys.back(), back, returned, c);
  };
  return CollectiveOp{"exchange", arriving, c.exchange(messages), unpack, adjoint, true}.from(std::move(in));
}

Var sum_over(const Var& x, Communicator& c) { return finish(begin_sum(x, c)); }
Var gather(const Var& x, int dim, Communicator& c, std::span<const std::int64_t> counts) {
  return finish(begin_gather(x, dim, c, counts));
}
Var scatter_sum(const Var& x, int dim, Communicator& c, std::span<const std::int64_t> counts) {
  return finish(begin_scatter_sum(x, dim, c, counts));
}
Var all_to_all(const Var& x, int cut_dim, int join_dim, Communicator& c, std::span<const std::int64_t> cut_counts,
               std::span<const std::int64_t> join_counts) {
  return finish(begin_all_to_all(x, cut_dim, join_dim, c, cut_counts, join_counts));
}
std::vector<Var> exchange(const Var& place, std::span<const Sent> sent, std::span<const Wanted> wanted,
                          Communicator& c) {
  std::vector<Var> received = finish_all(begin_exchange(place, sent, wanted, c));
  received.pop_back();
  return received;
}

}  // namespace lact
