// The CUDA table entries; contracts stand in the headers of kernels/.
#pragma once
#include "kernels/table.hpp"

namespace lact::kernels::cuda {

#include "kernels/entries.inc"

}  // namespace lact::kernels::cuda
