#include "kernels/cpu/cpu.hpp"

namespace lact::kernels {

const Table& cpu_table() {
  static const Table table = cpu::table_of_entries();
  return table;
}

}  // namespace lact::kernels
