// The graphs, in the words of cudnn-frontend: tensors by size and step, products and element-wise operations whose
// numbers between are not stored, attention as one operation.
#include "kernels/cuda/cudnn_graphs.hpp"

#include <cudnn_frontend.h>

#include <algorithm>
#include <bit>
#include <exception>

#include "kernels/gated_products.hpp"

namespace lact::kernels::cuda::cudnn {
namespace {

namespace fe = cudnn_frontend;
using fe::PointwiseMode_t;
using fe::graph::Pointwise_attributes;
using Node = std::shared_ptr<fe::graph::Tensor_attributes>;

fe::DataType_t type_of(DType t) { return t == DType::f32 ? fe::DataType_t::FLOAT : fe::DataType_t::BFLOAT16; }

class Sketch {  // of a graph on the tensors of a kernel
 public:
  Sketch(const Asked& asked, int gpu) : asked_(asked) {
    graph_->set_io_data_type(fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    if (gpu > 0) graph_->set_sm_version(gpu);
  }
  Graph graph() const { return graph_; }

  // Operand i as cuDNN reads it.
  Node input(std::size_t i) { return input(i, asked_.operands[i]); }
  Node input(std::size_t i, const View& v) {
    return graph_->tensor(fe::graph::Tensor_attributes()
                              .set_uid(std::int64_t(i) + 1)
                              .set_dim(sizes(v))
                              .set_stride(steps(v))
                              .set_data_type(type_of(v.type)));
  }
  // A batch of matrices; `turned` exchanges the last two dims.
  Node matrix(std::size_t i, bool turned = false) {
    View v = asked_.operands[i];
    if (turned) {
      std::swap(v.size[std::size_t(v.dims - 1)], v.size[std::size_t(v.dims - 2)]);
      std::swap(v.step[std::size_t(v.dims - 1)], v.step[std::size_t(v.dims - 2)]);
    }
    return input(i, one_batch_dim(v));
  }
  // A number for each row of a batch of matrices: a column.
  Node column(std::size_t i, const View& rows) {
    const View m = one_batch_dim(rows);
    return input(i, View({m.size[0], m.size[1], 1}, {m.size[1], 1, 1}, DType::f32));
  }
  // Log-sum-exp [b, h, T], which the graph knows as [b, h, T, 1] and packed, dims of one number too.
  View statistics(std::size_t i) const {
    const auto& n = asked_.operands[i].size;
    View v({n[0], n[1], n[2], 1}, {n[1] * n[2], n[2], 1, 1}, DType::f32);
    v.step = {n[1] * n[2], n[2], 1, 1};
    return v;
  }
  void output(const Node& n, std::size_t i, const View& v) {
    n->set_output(true)
        .set_uid(std::int64_t(i) + 1)
        .set_dim(sizes(v))
        .set_stride(steps(v))
        .set_data_type(type_of(v.type));
  }
  void output(const Node& n, std::size_t i) { output(n, i, asked_.operands[i]); }
  void output_matrix(const Node& n, std::size_t i) { output(n, i, one_batch_dim(asked_.operands[i])); }

  Node product(const Node& a, const Node& b) {
    return graph_->matmul(a, b, fe::graph::Matmul_attributes().set_compute_data_type(fe::DataType_t::FLOAT));
  }
  Node apply(PointwiseMode_t f, const Node& a) { return graph_->pointwise(a, Pointwise_attributes().set_mode(f)); }
  Node apply(PointwiseMode_t f, const Node& a, const Node& b) {
    return graph_->pointwise(a, b, Pointwise_attributes().set_mode(f));
  }
  Node times(const Node& a, const Node& b) { return apply(PointwiseMode_t::MUL, a, b); }

 private:
  static std::vector<std::int64_t> sizes(const View& v) { return {v.size.begin(), v.size.begin() + v.dims}; }
  static std::vector<std::int64_t> steps(const View& v) { return {v.step.begin(), v.step.begin() + v.dims}; }
  static View one_batch_dim(const View& v) {
    if (v.dims == 3) return v;
    return View({1, v.size[0], v.size[1]}, {0, v.step[0], v.step[1]}, v.type);
  }

  const Asked& asked_;
  Graph graph_ = std::make_shared<fe::graph::Graph>();
};

// Query i sees key j: j <= i and j > i - window, both counted from the first.
template <class A>
A masked(A attributes, const Asked& asked) {
  attributes.set_attn_scale(float(asked.scale));
  if (!asked.mask.causal) return attributes;
  attributes.set_diagonal_alignment(fe::DiagonalAlignment_t::TOP_LEFT).set_diagonal_band_right_bound(0);
  if (asked.mask.window > 0) attributes.set_diagonal_band_left_bound(int(asked.mask.window));
  return attributes;
}

void attention(Sketch& s, const Asked& asked) {  // o, lse, q, k, v
  const auto attributes = masked(fe::graph::SDPA_attributes().set_generate_stats(true), asked);
  auto [o, lse] = s.graph()->sdpa(s.input(2), s.input(3), s.input(4), attributes);
  s.output(o, 0);
  s.output(lse, 1, s.statistics(1));
}

void attention_grad(Sketch& s, const Asked& asked) {  // dq, dk, dv, dout, q, k, v, o, lse
  const auto attributes = masked(fe::graph::SDPA_backward_attributes().set_deterministic_algorithm(true), asked);
  auto [dq, dk, dv] = s.graph()->sdpa_backward(s.input(4), s.input(5), s.input(6), s.input(7), s.input(3),
                                               s.input(8, s.statistics(8)), attributes);
  s.output(dq, 0);
  s.output(dk, 1);
  s.output(dv, 2);
}

void swiglu_products(Sketch& s) {  // m, g, h, x, w0, w2
  const Node x = s.matrix(3), g = s.product(x, s.matrix(4)), h = s.product(x, s.matrix(5));
  s.output_matrix(g, 1);
  s.output_matrix(h, 2);
  s.output_matrix(s.times(s.apply(PointwiseMode_t::SWISH_FWD, g), h), 0);
}

void swiglu_grad_product(Sketch& s) {  // dg, dh, dy, w1, g, h
  const Node g = s.matrix(4), dm = s.product(s.matrix(2), s.matrix(3, true));
  s.output_matrix(s.times(dm, s.apply(PointwiseMode_t::SWISH_FWD, g)), 1);
  s.output_matrix(s.apply(PointwiseMode_t::SWISH_BWD, s.times(dm, s.matrix(5)), g), 0);
}

void rated_gates_product(Sketch& s, const Asked& asked) {  // m, dg, dh, dm, v, w1, g, h, three rates
  const View& rows = asked.operands[0];
  const Node g = s.matrix(6), h = s.matrix(7), gate = s.apply(PointwiseMode_t::SWISH_FWD, g);
  const Node dm = s.product(s.matrix(4), s.matrix(5, true));
  s.output_matrix(dm, 3);
  s.output_matrix(s.times(s.times(gate, h), s.column(9, rows)), 0);
  s.output_matrix(s.times(s.apply(PointwiseMode_t::SWISH_BWD, s.times(dm, h), g), s.column(8, rows)), 1);
  s.output_matrix(s.times(s.times(dm, gate), s.column(10, rows)), 2);
}

void gelu_product(Sketch& s) {  // y, u, x, w
  const Node u = s.product(s.matrix(2), s.matrix(3, true));
  s.output_matrix(u, 1);
  s.output_matrix(s.apply(PointwiseMode_t::GELU_FWD, u), 0);
}

void gelu_grad_product(Sketch& s) {  // du, dy, w, u
  s.output_matrix(s.apply(PointwiseMode_t::GELU_BWD, s.product(s.matrix(1), s.matrix(2)), s.matrix(3)), 0);
}

}  // namespace

View::View(const Shape& sizes, const Shape& steps, DType t) : dims(int(sizes.size())), type(t) {
  std::copy(sizes.begin(), sizes.end(), size.begin());
  std::copy(steps.begin(), steps.end(), step.begin());
  // A dim of one number may have any step. It gets the one that a next outer dim would have, since cuDNN sorts by
  // steps.
  std::int64_t after = 1;
  for (std::size_t d = 0; d < sizes.size(); ++d) after = std::max(after, sizes[d] == 1 ? 1 : sizes[d] * steps[d]);
  for (std::size_t d = 0; d < sizes.size(); ++d)
    if (sizes[d] == 1 && !(d + 1 == sizes.size() && steps[d] == 1)) step[d] = after;
}
View::View(const Tensor& t) : View(t.shape(), t.strides(), t.dtype()) {}

std::vector<std::int64_t> Asked::key() const {
  std::vector<std::int64_t> k{std::bit_cast<std::int64_t>(kernel), mask.causal, mask.window,
                              std::bit_cast<std::int64_t>(scale)};
  for (const View& v : operands) {
    k.push_back(v.dims);
    for (int d = 0; d < v.dims; ++d) k.insert(k.end(), {v.size[std::size_t(d)], v.step[std::size_t(d)]});
  }
  return k;
}

Graph described(const Asked& asked, int gpu) {
  Sketch s(asked, gpu);
  const auto is = [&](const AnyKernel& kernel) { return asked.kernel == &kernel; };
  if (is(kernels::attention))
    attention(s, asked);
  else if (is(kernels::attention_grad))
    attention_grad(s, asked);
  else if (is(kernels::swiglu_products))
    swiglu_products(s);
  else if (is(kernels::swiglu_grad_product))
    swiglu_grad_product(s);
  else if (is(kernels::rated_gates_product))
    rated_gates_product(s, asked);
  else if (is(kernels::gelu_product))
    gelu_product(s);
  else if (is(kernels::gelu_grad_product))
    gelu_grad_product(s);
  else
    fail("cuDNN has no graph for the kernel {}", asked.kernel->name());
  return s.graph();
}

std::string compile(fe::graph::Graph& graph, void* handle) {
  try {
    auto said = graph.validate();
    if (said.is_good())
      said = handle == nullptr ? graph.build_operation_graph()
                               : graph.build_operation_graph(static_cast<cudnnHandle_t>(handle));
    if (said.is_good()) said = graph.create_execution_plans({fe::HeurMode_t::A});
    graph.deselect_numeric_notes({fe::NumericalNote_t::NONDETERMINISTIC});
    if (said.is_good()) said = graph.check_support();
    if (said.is_good()) said = graph.build_plans(fe::BuildPlanPolicy_t::HEURISTICS_CHOICE);
    return said.is_good() ? std::string() : said.get_message();
  } catch (const std::exception& e) {  // cuDNN did not find another library that it opens when needed
    return e.what();
  }
}

}  // namespace lact::kernels::cuda::cudnn
