// The optimizer on a flat shard.
#include "kernels/update.hpp"

#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {

const Cpu<kernels::judge> judge = [](Tensor verdict, const Tensor& sums, const Limits& limits) {
  const auto* s = sums.data<double>();
  scalar::judge(*verdict.data<Verdict>(), s[0], s[1], limits);
};

const Cpu<kernels::adamw> adamw = [](Tensor p, Tensor m, Tensor v, const Tensor& g, const Tensor& verdict,
                                     const Tensor& rate, const AdamW& a) {
  check_flat({&p, &m, &v, &g}, "adamw");
  const auto& judged = *verdict.data<Verdict>();
  if (judged.left_out != 0) return;
  for_type(p, "adamw", [&](auto t) {
    using T = decltype(t);
    const auto step = scalar::step_of<T>(a, judged, *rate.data<double>());
    split(p.count(), 8192, [&](std::int64_t i, std::int64_t end) {
      loops<T>().adamw(p.data<T>() + i, m.data<T>() + i, v.data<T>() + i, g.data<T>() + i, end - i, step);
    });
  });
};

}  // namespace lact::kernels::cpu
