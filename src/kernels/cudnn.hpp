// cuDNN, which attention and gated products of bf16 on a GPU go through where it is found and takes their shapes;
// elsewhere this program's own kernels serve. Not linked: opened when the first of them runs.
#pragma once
#include <cstdint>
#include <string>

namespace lact::kernels {

void use_cudnn(bool yes);     // true from the start; of the whole process
std::string cudnn_library();  // "cuDNN 9.19.0", or why this program's own kernels serve instead
std::int64_t cudnn_runs();    // of this process so far: tells whether it took a shape

}  // namespace lact::kernels
