// The optimizer on a flat shard.
#include "kernels/cpu/cpu.hpp"
#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {

void adamw(Tensor p, Tensor m, Tensor v, const Tensor& g, const AdamW& a) {
  check_flat({&p, &m, &v, &g}, "adamw");
  check(a.step >= 1, "adamw counts its steps from 1, not {}", a.step);
  for_type(p, "adamw", [&](auto t) {
    using T = decltype(t);
    const auto step = step_of<T>(a);
    split(p.count(), 8192, [&](std::int64_t i, std::int64_t end) {
      loops<T>().adamw(p.data<T>() + i, m.data<T>() + i, v.data<T>() + i, g.data<T>() + i, end - i, step);
    });
  });
}

}  // namespace lact::kernels::cpu
