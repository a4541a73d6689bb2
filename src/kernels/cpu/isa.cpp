// Which copy of the loops this processor runs.
#include "kernels/cpu/loops/loops.hpp"

namespace lact::kernels {

namespace baseline {
extern const AllLoops all;
}
namespace avx2 {
extern const AllLoops all;
}
namespace avx512 {
extern const AllLoops all;
}

bool has(Isa isa) {
  __builtin_cpu_init();
  switch (isa) {
    case Isa::baseline:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::avx512:
      return has(Isa::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  }
  return false;
}

const AllLoops& loops_for(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return avx512::all;
    case Isa::avx2:
      return avx2::all;
    case Isa::baseline:
      break;
  }
  return baseline::all;
}

const AllLoops& best_loops() {
  static const AllLoops& best = loops_for(has(Isa::avx512) ? Isa::avx512 : has(Isa::avx2) ? Isa::avx2 : Isa::baseline);
  return best;
}

}  // namespace lact::kernels
