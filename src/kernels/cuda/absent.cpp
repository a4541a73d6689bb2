// Linked instead of the CUDA kernels where there is no CUDA.
#include "kernels/table.hpp"

namespace lact::kernels {

const Table& cuda_table() {
  static const Table none;
  return none;
}

}  // namespace lact::kernels
