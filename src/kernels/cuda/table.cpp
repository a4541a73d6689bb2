#include "kernels/cuda/cuda.hpp"

namespace lact::kernels {

const Table& cuda_table() {
  static const Table table = cuda::table_of_entries();
  return table;
}

}  // namespace lact::kernels
