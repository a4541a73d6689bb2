// cuDNN, NVIDIA's library for neural networks. On a GPU it computes attention and gated products of bf16 where it is
// installed and supports the shape; otherwise this program's own kernels do. It is not linked but opened (dlopen) when
// the first of these kernels runs.
#pragma once
#include <cstdint>
#include <string>

namespace lact::kernels {

enum class CudnnUse : std::uint8_t { none, attention_only, all };  // all: products with what follows them as well
CudnnUse cudnn_use_named(const std::string& name);                 // none, attention, all; another name is an error

void use_cudnn(CudnnUse use);  // for the whole process; `all` until it is called
std::string cudnn_library();   // "cuDNN 9.19.0", or why this program's own kernels serve instead
std::int64_t cudnn_runs();     // kernels of this process that cuDNN has computed so far

}  // namespace lact::kernels
