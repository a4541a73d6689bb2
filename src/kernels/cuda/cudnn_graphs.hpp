// What cuDNN is asked for: a graph of operations on named tensors. Describing needs no GPU, so that a test can have the
// same graphs compiled for a GPU that is not there.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "kernels/attention.hpp"

namespace cudnn_frontend::graph {
class Graph;
}

namespace lact::kernels::cuda::cudnn {

using Graph = std::shared_ptr<cudnn_frontend::graph::Graph>;

struct View {  // of a tensor: where its numbers lie
  int dims = 0;
  std::array<std::int64_t, 4> size{}, step{};
  DType type = DType::bf16;
  explicit View(const Tensor& t);
  View(const Shape& size, const Shape& step, DType t = DType::bf16);
};

struct Asked {
  const AnyKernel* kernel;     // of attention.hpp or gated_products.hpp
  std::vector<View> operands;  // in the order of the kernel's; operand i has the name i + 1 in the graph
  double scale = 1;            // of attention
  Mask mask{};
  std::vector<std::int64_t> key() const;  // equal where the graphs are
};

Graph described(const Asked& asked, int gpu = 0);  // gpu: the version of its instructions, 90 say; 0: of this GPU

// Compiles the graph, for the GPU of a cuDNN handle or, without one, for the device properties that the graph was
// given. Returns "" or why cuDNN refuses. Only plans whose results repeat bit by bit are accepted.
std::string compile(cudnn_frontend::graph::Graph& graph, void* handle);

}  // namespace lact::kernels::cuda::cudnn
