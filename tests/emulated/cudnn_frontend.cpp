// The operations of the emulated cuDNN by their definitions, in double.
#include <cudnn_frontend.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

namespace cudnn_frontend::graph {
namespace {

using Numbers = std::vector<double>;  // of a tensor, row-major
using Dims = std::vector<std::int64_t>;

std::int64_t count_of(const Dims& d) {
  std::int64_t n = 1;
  for (auto size : d) n *= size;
  return n;
}
std::int64_t bytes_of(DataType_t t) { return t == DataType_t::FLOAT ? 4 : 2; }

// Calls f(i, place) for every number of a stored tensor.
template <class F>
void over(const Tensor_attributes& t, F f) {
  Dims at(t.dim.size(), 0);
  for (std::int64_t i = 0, n = count_of(t.dim); i < n; ++i) {
    std::int64_t place = 0;
    for (std::size_t d = 0; d < at.size(); ++d) place += at[d] * t.stride[d];
    f(std::size_t(i), place);
    for (std::size_t d = at.size(); d-- > 0 && ++at[d] == t.dim[d] && d > 0;) at[d] = 0;
  }
}
Numbers loaded(const Tensor_attributes& t, const void* from) {
  Numbers x(std::size_t(count_of(t.dim)));
  over(t, [&](std::size_t i, std::int64_t place) {
    float f = 0;
    if (t.type == DataType_t::FLOAT) {
      f = static_cast<const float*>(from)[place];
    } else {
      const std::uint32_t bits = std::uint32_t(static_cast<const std::uint16_t*>(from)[place]) << 16;
      std::memcpy(&f, &bits, sizeof(f));
    }
    x[i] = double(f);
  });
  return x;
}
std::uint16_t rounded(float f) {  // to nearest, ties to even
  std::uint32_t bits;
  std::memcpy(&bits, &f, sizeof(f));
  if (std::isnan(f)) return std::uint16_t(bits >> 16 | 0x40);
  return std::uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
void store(const Tensor_attributes& t, void* to, const Numbers& x) {
  over(t, [&](std::size_t i, std::int64_t place) {
    if (t.type == DataType_t::FLOAT)
      static_cast<float*>(to)[place] = float(x[i]);
    else
      static_cast<std::uint16_t*>(to)[place] = rounded(float(x[i]));
  });
}

double normal_share(double x) { return (1 + std::erf(x / std::sqrt(2.0))) / 2; }
double pointwise_of(PointwiseMode_t f, double a, double b) {
  const double pi = 3.14159265358979323846;
  const double s = 1 / (1 + std::exp(-(f == PointwiseMode_t::SWISH_FWD ? a : b)));
  switch (f) {
    case PointwiseMode_t::MUL:
      return a * b;
    case PointwiseMode_t::SWISH_FWD:
      return a * s;
    case PointwiseMode_t::SWISH_BWD:  // the cotangent first, then where
      return a * s * (1 + b * (1 - s));
    case PointwiseMode_t::GELU_FWD:
      return a * normal_share(a);
    case PointwiseMode_t::GELU_BWD:
      return a * (normal_share(b) + b * std::exp(-b * b / 2) / std::sqrt(2 * pi));
    default:
      return std::nan("");
  }
}

// Where the number of `like` at place i of a wider shape lies; dims of size 1 repeat.
std::size_t repeated(const Dims& like, const Dims& wide, std::size_t i) {
  std::size_t at = 0, step = 1;
  for (std::size_t d = wide.size(); d-- > 0;) {
    const auto n = std::size_t(wide[d]), mine = std::size_t(like[d]);
    if (mine > 1) at += i % n * step;
    step *= mine;
    i /= n;
  }
  return at;
}

struct Sizes {
  std::int64_t items, heads, queries, keys, d, dv;
  Sizes(const Tensor_attributes& q, const Tensor_attributes& k, const Tensor_attributes& v)
      : items(q.dim[0]), heads(q.dim[1]), queries(q.dim[2]), keys(k.dim[2]), d(q.dim[3]), dv(v.dim[3]) {}
};
bool sees(const Attention& a, std::int64_t row, std::int64_t column) {  // from the top left
  return (!a.right || column <= row + *a.right) && (!a.left || column > row - *a.left);
}
double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}
void add(double* y, double by, const double* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += by * x[i];
}

void attend(const Operation& how, const std::vector<Numbers>& in, std::vector<Numbers>& out) {
  const Sizes s(*how.in[0], *how.in[1], *how.in[2]);
#pragma omp parallel for
  for (std::int64_t head = 0; head < s.items * s.heads; ++head)
    for (std::int64_t i = 0; i < s.queries; ++i) {
      const double *q = &in[0][std::size_t((head * s.queries + i) * s.d)],
                   *k = &in[1][std::size_t(head * s.keys * s.d)], *v = &in[2][std::size_t(head * s.keys * s.dv)];
      double *o = &out[0][std::size_t((head * s.queries + i) * s.dv)], top = -INFINITY, total = 0;
      std::vector<double> score(std::size_t(s.keys), -INFINITY);
      for (std::int64_t j = 0; j < s.keys; ++j)
        if (sees(how.attention, i, j))
          top = std::max(top, score[std::size_t(j)] = how.attention.scale * dot(q, k + j * s.d, s.d));
      for (double& x : score) total += x = std::exp(x - top);
      for (std::int64_t j = 0; j < s.keys; ++j) add(o, score[std::size_t(j)] / total, v + j * s.dv, s.dv);
      out[1][std::size_t(head * s.queries + i)] = top + std::log(total);
    }
}
void attend_back(const Operation& how, const std::vector<Numbers>& in, std::vector<Numbers>& out) {
  const Sizes s(*how.in[0], *how.in[1], *how.in[2]);
#pragma omp parallel for
  for (std::int64_t head = 0; head < s.items * s.heads; ++head)
    for (std::int64_t i = 0; i < s.queries; ++i) {
      const auto row = std::size_t(head * s.queries + i);
      const double *q = &in[0][row * std::size_t(s.d)], *o = &in[3][row * std::size_t(s.dv)],
                   *dout = &in[4][row * std::size_t(s.dv)], delta = dot(o, dout, s.dv);
      for (std::int64_t j = 0; j < s.keys; ++j) {
        if (!sees(how.attention, i, j)) continue;
        const auto key = std::size_t(head * s.keys + j);
        const double *k = &in[1][key * std::size_t(s.d)], *v = &in[2][key * std::size_t(s.dv)];
        const double p = std::exp(how.attention.scale * dot(q, k, s.d) - in[5][row]),
                     ds = how.attention.scale * p * (dot(dout, v, s.dv) - delta);
        add(&out[0][row * std::size_t(s.d)], ds, k, s.d);
        add(&out[1][key * std::size_t(s.d)], ds, q, s.d);
        add(&out[2][key * std::size_t(s.dv)], p, dout, s.dv);
      }
    }
}
void multiply(const Operation& how, const std::vector<Numbers>& in, std::vector<Numbers>& out) {
  const std::int64_t items = how.in[0]->dim[0], m = how.in[0]->dim[1], k = how.in[0]->dim[2], n = how.in[1]->dim[2];
#pragma omp parallel for
  for (std::int64_t row = 0; row < items * m; ++row)
    for (std::int64_t l = 0; l < k; ++l)
      add(&out[0][std::size_t(row * n)], in[0][std::size_t(row * k + l)], &in[1][std::size_t((row / m * k + l) * n)],
          n);
}
void elements(const Operation& how, const std::vector<Numbers>& in, std::vector<Numbers>& out) {
  const Dims& wide = how.out[0]->dim;
  for (std::size_t i = 0; i < out[0].size(); ++i) {
    const double a = in[0][repeated(how.in[0]->dim, wide, i)],
                 b = in.size() > 1 ? in[1][repeated(how.in[1]->dim, wide, i)] : 0;
    out[0][i] = pointwise_of(how.mode, a, b);
  }
}

std::string against(const Operation& op) {  // what the real one says of attention
  if (op.kind != Operation::Kind::attention && op.kind != Operation::Kind::attention_grad) return "";
  const Sizes s(*op.in[0], *op.in[1], *op.in[2]);
  if (s.d % 8 != 0 || s.dv % 8 != 0 || s.d > 256 || s.dv > 256) return "head widths are multiples of 8 up to 256";
  if (s.queries == 1 && s.keys == 1) return "s_q = s_kv = 1 is not supported.";
  if (op.attention.left && s.queries > s.keys) return "a window needs no fewer keys than queries";
  if (op.kind == Operation::Kind::attention_grad && op.in[5]->stride != Dims{s.heads * s.queries, s.queries, 1, 1})
    return "statistics are packed";
  if (op.attention.alignment != DiagonalAlignment_t::TOP_LEFT) return "emulated from the top left alone";
  for (const auto* side : {&op.in, &op.out})
    for (const Node& n : *side)
      for (std::size_t d = 0; d < n->dim.size(); ++d)
        if (n->type == DataType_t::BFLOAT16 && d + 1 < n->dim.size() && n->dim[d] > 1 && n->stride[d] % 8 != 0)
          return "a step is no multiple of 16 bytes";
  return "";
}

struct Run {
  std::vector<Operation> operations;
  std::unordered_map<std::int64_t, void*> at;
  void operator()() const {
    std::map<const Tensor_attributes*, Numbers> values;
    for (const Operation& op : operations) {
      std::vector<Numbers> in, out;
      for (const Node& n : op.in) {
        if (!values.contains(n.get())) values[n.get()] = loaded(*n, at.at(n->uid));
        in.push_back(values[n.get()]);
      }
      for (const Node& n : op.out) out.emplace_back(std::size_t(count_of(n->dim)), 0.0);
      using Kind = Operation::Kind;
      (op.kind == Kind::product     ? multiply
       : op.kind == Kind::pointwise ? elements
       : op.kind == Kind::attention ? attend
                                    : attend_back)(op, in, out);
      for (std::size_t i = 0; i < out.size(); ++i) {
        if (op.out[i]->stored) store(*op.out[i], at.at(op.out[i]->uid), out[i]);
        values[op.out[i].get()] = std::move(out[i]);  // what follows in the graph reads it as it was computed
      }
    }
  }
};

}  // namespace

Node Graph::tensor(const Tensor_attributes& t) {
  auto n = std::make_shared<Tensor_attributes>(t);
  n->stored = true;
  return nodes_.push_back(n), n;
}
Node Graph::made(std::vector<std::int64_t> dim) {
  auto n = std::make_shared<Tensor_attributes>();
  n->dim = n->computed = std::move(dim);
  return nodes_.push_back(n), n;
}
Node Graph::matmul(Node a, Node b, Matmul_attributes) {
  const Node y = made({a->dim[0], a->dim[1], b->dim[2]});
  operations_.push_back({Operation::Kind::product, {}, {}, {a, b}, {y}});
  return y;
}
Node Graph::pointwise(Node a, Pointwise_attributes how) {
  const Node y = made(a->dim);
  operations_.push_back({Operation::Kind::pointwise, how.mode, {}, {a}, {y}});
  return y;
}
Node Graph::pointwise(Node a, Node b, Pointwise_attributes how) {
  Dims wide = a->dim;
  for (std::size_t d = 0; d < wide.size(); ++d) wide[d] = std::max(wide[d], b->dim[d]);
  const Node y = made(wide);
  operations_.push_back({Operation::Kind::pointwise, how.mode, {}, {a, b}, {y}});
  return y;
}
std::array<Node, 2> Graph::sdpa(Node q, Node k, Node v, SDPA_attributes how) {
  const Node o = made({q->dim[0], q->dim[1], q->dim[2], v->dim[3]}), stats = made({q->dim[0], q->dim[1], q->dim[2], 1});
  operations_.push_back({Operation::Kind::attention, {}, how, {q, k, v}, {o, stats}});
  return {o, stats};
}
std::array<Node, 3> Graph::sdpa_backward(Node q, Node k, Node v, Node o, Node dout, Node stats,
                                         SDPA_backward_attributes how) {
  const Node dq = made(q->dim), dk = made(k->dim), dv = made(v->dim);
  operations_.push_back({Operation::Kind::attention_grad, {}, how, {q, k, v, o, dout, stats}, {dq, dk, dv}});
  return {dq, dk, dv};
}

error_t Graph::validate() {
  std::set<std::int64_t> uids;
  for (const Node& n : nodes_) {
    if (!n->computed.empty() && n->dim != n->computed) return error_t("a result is given other dims than it has");
    if (!n->stored) continue;
    if (n->type == DataType_t::NOT_SET) n->type = io_type_;
    if (n->dim.empty() || n->dim.size() != n->stride.size()) return error_t("a tensor needs a step for each dim");
    if (n->uid == 0 || !uids.insert(n->uid).second) return error_t("every tensor has a name of its own");
  }
  for (const Operation& op : operations_) {
    const bool product = op.kind == Operation::Kind::product;
    if (product && (op.in[0]->dim[2] != op.in[1]->dim[1] || op.in[0]->dim[0] != op.in[1]->dim[0]))
      return error_t("a product does not fit");
    for (const Node& n : op.out)
      if (n->dim.size() != op.in[0]->dim.size()) return error_t("a result has other dims than its operands");
    if (const std::string why = against(op); !why.empty()) return error_t(why);
  }
  return {};
}

error_t Graph::execute(cudnnHandle_t handle, const std::unordered_map<std::int64_t, void*>& at, void* room) const {
  for (const Node& n : nodes_) {
    if (!n->stored) continue;
    if (!at.contains(n->uid)) return error_t("a tensor is missing");
    if (reinterpret_cast<std::uintptr_t>(at.at(n->uid)) % 16 != 0) return error_t("a tensor is not on 16 bytes");
    for (std::size_t d = 0; d < n->dim.size(); ++d)
      if (n->dim[d] > 1 && n->stride[d] != 1 && n->stride[d] * bytes_of(n->type) % 4 != 0)
        return error_t("a step is no multiple of 4 bytes");
  }
  emulated::ask(handle->stream, [run = Run{operations_, at}, room, bytes = std::size_t(workspace)] {
    std::memset(room, 0x7f, bytes);  // it is the graph's own while it runs
    run();
  });
  return {};
}

}  // namespace cudnn_frontend::graph
