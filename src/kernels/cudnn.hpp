// cuDNN, which attention and gated products of bf16 on a GPU go through where it is found and takes their shapes;
// elsewhere this program's own kernels serve. Not linked: opened when the first of them runs.
#pragma once
#include <cstdint>
#include <string>

namespace lact::kernels {

enum class CudnnUse : std::uint8_t { none, attention, all };  // all: products with what follows them as well
CudnnUse cudnn_use_named(const std::string& name);            // another name is an error

void use_cudnn(CudnnUse use);  // all from the start; of the whole process
std::string cudnn_library();   // "cuDNN 9.19.0", or why this program's own kernels serve instead
std::int64_t cudnn_runs();     // of this process so far: tells whether it took a shape

}  // namespace lact::kernels
