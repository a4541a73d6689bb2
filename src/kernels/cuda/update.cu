// The optimizer on a flat shard.
#include "kernels/update.hpp"

#include "kernels/cuda/launch.cuh"

namespace lact::kernels::cuda {
namespace {

struct JudgeOf {
  Verdict* verdict;
  const double* sums;
  Limits limits;
  template <int V>
  __device__ void at(std::int64_t) const {
    scalar::judge(*verdict, sums[0], sums[1], limits);
  }
};

template <class T>
struct AdamWOf {
  T *p, *m, *v;
  const T* g;
  const Verdict* verdict;
  const double* rate;
  AdamW how;
  template <int V>
  __device__ void at(std::int64_t i) const {
    if (verdict->left_out != 0) return;
    const auto step = scalar::step_of<T>(how, *verdict, *rate);
    T pi[V], mi[V], vi[V], gi[V];
    take<V>(pi, p + i);
    take<V>(mi, m + i);
    take<V>(vi, v + i);
    take<V>(gi, g + i);
#pragma unroll
    for (int j = 0; j < V; ++j) scalar::adamw(pi[j], mi[j], vi[j], gi[j], step);
    give<V>(p + i, pi);
    give<V>(m + i, mi);
    give<V>(v + i, vi);
  }
};

}  // namespace

const Cuda<kernels::judge> judge = [](Tensor verdict, const Tensor& sums, const Limits& limits) {
  start<1>(verdict, "judge", 1, JudgeOf{verdict.data<Verdict>(), sums.data<double>(), limits});
};

const Cuda<kernels::adamw> adamw = [](Tensor p, Tensor m, Tensor v, const Tensor& g, const Tensor& verdict,
                                      const Tensor& rate, const AdamW& a) {
  check_flat({&p, &m, &v, &g}, "adamw");
  for_type(p, "adamw", [&](auto t) {
    using T = decltype(t);
    start_flat<wide<T>>({&p, &m, &v, &g}, "adamw",
                        AdamWOf<T>{p.data<T>(), m.data<T>(), v.data<T>(), g.data<T>(), verdict.data<Verdict>(),
                                   rate.data<double>(), a});
  });
};

}  // namespace lact::kernels::cuda
