// The part of cudnn-frontend that src/kernels/cuda/cudnn*.cpp calls: graphs are kept as lists of operations and
// run in double by their definitions, rounded where a tensor is stored; see cuda_runtime.h beside it. It refuses what
// the real one refuses about strides, alignment, head widths and windows.
#pragma once
#include <cuda_runtime.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

using cudnnHandle_t = struct EmulatedCudnn*;
struct EmulatedCudnn {
  cudaStream_t stream{};
};
enum cudnnStatus_t { CUDNN_STATUS_SUCCESS = 0 };

namespace cudnn_frontend {

extern void* cudnn_dlhandle;

enum class DataType_t { NOT_SET, FLOAT, BFLOAT16 };
enum class PointwiseMode_t { NOT_SET, MUL, SWISH_FWD, SWISH_BWD, GELU_FWD, GELU_BWD };
enum class HeurMode_t { A };
enum class BuildPlanPolicy_t { HEURISTICS_CHOICE };
enum class NumericalNote_t { NONDETERMINISTIC };
enum class DiagonalAlignment_t { TOP_LEFT, BOTTOM_RIGHT };

class error_t {
 public:
  error_t() = default;
  explicit error_t(std::string against) : against_(std::move(against)) {}
  bool is_good() const { return against_.empty(); }
  std::string get_message() { return against_; }

 private:
  std::string against_;
};

namespace detail {
inline std::size_t get_backend_version() { return 91900; }
inline cudaError_t cuda_runtime_get_version(int* version) { return *version = 13000, cudaSuccess; }
inline cudnnStatus_t create_handle(cudnnHandle_t* h) { return *h = new EmulatedCudnn, CUDNN_STATUS_SUCCESS; }
inline cudnnStatus_t set_stream(cudnnHandle_t h, cudaStream_t s) { return h->stream = s, CUDNN_STATUS_SUCCESS; }
}  // namespace detail

namespace graph {

struct Tensor_attributes {
  std::vector<std::int64_t> dim, stride, computed;  // computed: the dims that an operation gives it
  DataType_t type = DataType_t::NOT_SET;
  std::int64_t uid = 0;  // 0: none
  bool stored = false;   // given from outside, or written
  auto& set_dim(const std::vector<std::int64_t>& d) { return dim = d, *this; }
  auto& set_stride(const std::vector<std::int64_t>& s) { return stride = s, *this; }
  auto& set_data_type(DataType_t t) { return type = t, *this; }
  auto& set_uid(std::int64_t u) { return uid = u, *this; }
  auto& set_output(bool yes) { return stored = yes, *this; }
};
using Node = std::shared_ptr<Tensor_attributes>;

struct Matmul_attributes {
  auto& set_compute_data_type(DataType_t) { return *this; }
};
struct Pointwise_attributes {
  PointwiseMode_t mode = PointwiseMode_t::NOT_SET;
  auto& set_mode(PointwiseMode_t m) { return mode = m, *this; }
};
struct Attention {  // what both directions share
  double scale = 1;
  std::optional<std::int64_t> left, right;
  DiagonalAlignment_t alignment = DiagonalAlignment_t::TOP_LEFT;
};
template <class Self>
struct Attention_attributes : Attention {
  Self& self() { return static_cast<Self&>(*this); }
  Self& set_attn_scale(float s) { return scale = double(s), self(); }
  Self& set_diagonal_alignment(DiagonalAlignment_t a) { return alignment = a, self(); }
  Self& set_diagonal_band_left_bound(int n) { return left = n, self(); }
  Self& set_diagonal_band_right_bound(int n) { return right = n, self(); }
};
struct SDPA_attributes : Attention_attributes<SDPA_attributes> {
  bool statistics = false;
  auto& set_generate_stats(bool yes) { return statistics = yes, *this; }
};
struct SDPA_backward_attributes : Attention_attributes<SDPA_backward_attributes> {
  auto& set_deterministic_algorithm(bool) { return *this; }
};

struct Operation {
  enum class Kind { product, pointwise, attention, attention_grad } kind;
  PointwiseMode_t mode = PointwiseMode_t::NOT_SET;
  Attention attention;
  std::vector<Node> in, out;
};

class Graph {
 public:
  Graph& set_io_data_type(DataType_t t) { return io_type_ = t, *this; }
  Graph& set_intermediate_data_type(DataType_t) { return *this; }
  Graph& set_compute_data_type(DataType_t) { return *this; }
  Graph& set_sm_version(int) { return *this; }

  Node tensor(const Tensor_attributes& t);
  Node matmul(Node a, Node b, Matmul_attributes);
  Node pointwise(Node a, Pointwise_attributes how);
  Node pointwise(Node a, Node b, Pointwise_attributes how);
  std::array<Node, 2> sdpa(Node q, Node k, Node v, SDPA_attributes how);
  std::array<Node, 3> sdpa_backward(Node q, Node k, Node v, Node o, Node dout, Node stats,
                                    SDPA_backward_attributes how);

  error_t validate();
  error_t build_operation_graph() { return error_t("there is no handle"); }
  error_t build_operation_graph(cudnnHandle_t) { return {}; }
  error_t create_execution_plans(const std::vector<HeurMode_t>&) { return {}; }
  Graph& deselect_numeric_notes(const std::vector<NumericalNote_t>&) { return *this; }
  error_t check_support() { return {}; }
  error_t build_plans(BuildPlanPolicy_t) { return {}; }
  std::int64_t get_workspace_size() const { return workspace; }
  error_t execute(cudnnHandle_t handle, const std::unordered_map<std::int64_t, void*>& at, void* room) const;

 private:
  static constexpr std::int64_t workspace = 1000;
  Node made(std::vector<std::int64_t> dim);
  std::vector<Node> nodes_;
  std::vector<Operation> operations_;
  DataType_t io_type_ = DataType_t::NOT_SET;
};

}  // namespace graph
}  // namespace cudnn_frontend
