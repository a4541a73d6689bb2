// The gate of a GLU network and its derivatives.
#include "kernels/gates.hpp"

#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {
namespace {

constexpr std::int64_t grain = 8192;  // numbers per thread at least

// f(row, where it begins, its operands) for rows of n numbers.
template <class T, class F>
void each_rated_row(const Tensor& g, const Tensor& h, const Tensor& dm, const Rates& of, F f) {
  const std::int64_t n = g.dim(-1);
  split(of.rate0.count(), rows_worth(grain, n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t i = r * n;
      f(r, i,
        GateRow<T>{g.data<T>() + i, h.data<T>() + i, dm.data<T>() + i, of.rate0.data<T>()[r], of.rate1.data<T>()[r],
                   of.rate2.data<T>()[r]});
    }
  });
}

}  // namespace

const Cpu<kernels::swiglu> swiglu = [](Tensor m, const Tensor& g, const Tensor& h) {
  check_flat({&m, &g, &h}, "swiglu");
  for_type(m, "swiglu", [&](auto t) {
    using T = decltype(t);
    split(m.count(), grain, [&](std::int64_t i, std::int64_t end) {
      loops<T>().swiglu(m.data<T>() + i, g.data<T>() + i, h.data<T>() + i, end - i);
    });
  });
};

const Cpu<kernels::swiglu_grad> swiglu_grad = [](Tensor dg, Tensor dh, const Tensor& g, const Tensor& h,
                                                 const Tensor& dm) {
  check_flat({&dg, &dh, &g, &h, &dm}, "swiglu_grad");
  for_type(dg, "swiglu_grad", [&](auto t) {
    using T = decltype(t);
    split(dg.count(), grain, [&](std::int64_t i, std::int64_t end) {
      loops<T>().swiglu_grad(dg.data<T>() + i, dh.data<T>() + i, g.data<T>() + i, h.data<T>() + i, dm.data<T>() + i,
                             end - i);
    });
  });
};

const Cpu<kernels::rated_gates> rated_gates = [](const RatedGates& t) {
  check_flat_rows({&t.m, &t.dg, &t.dh, &t.g, &t.h, &t.dm}, {&t.rates.rate0, &t.rates.rate1, &t.rates.rate2},
                  "rated_gates");
  const std::int64_t n = t.m.dim(-1);
  for_type(t.m, "rated_gates", [&](auto zero) {
    using T = decltype(zero);
    each_rated_row<T>(t.g, t.h, t.dm, t.rates, [&](std::int64_t, std::int64_t i, const GateRow<T>& row) {
      loops<T>().rated_gates(t.m.data<T>() + i, t.dg.data<T>() + i, t.dh.data<T>() + i, row, n);
    });
  });
};

const Cpu<kernels::rated_gates_grad> rated_gates_grad = [](const RatedGatesGrad& t) {
  const auto& [bar0, bar1, bar2] = t.rate_bars;
  check_flat_rows({&t.g_bar, &t.h_bar, &t.dm_bar, &t.g, &t.h, &t.dm, &t.m_bar, &t.dg_bar, &t.dh_bar},
                  {&bar0, &bar1, &bar2, &t.rates.rate0, &t.rates.rate1, &t.rates.rate2}, "rated_gates_grad");
  const std::int64_t n = t.g.dim(-1);
  for_type(t.g, "rated_gates_grad", [&](auto zero) {
    using T = decltype(zero);
    each_rated_row<T>(t.g, t.h, t.dm, t.rates, [&](std::int64_t r, std::int64_t i, const GateRow<T>& row) {
      loops<T>().rated_gates_grad(row,
                                  {.m_bar = t.m_bar.data<T>() + i,
                                   .dg_bar = t.dg_bar.data<T>() + i,
                                   .dh_bar = t.dh_bar.data<T>() + i,
                                   .g_bar = t.g_bar.data<T>() + i,
                                   .h_bar = t.h_bar.data<T>() + i,
                                   .dm_bar = t.dm_bar.data<T>() + i,
                                   .rate0_bar = bar0.data<T>() + r,
                                   .rate1_bar = bar1.data<T>() + r,
                                   .rate2_bar = bar2.data<T>() + r},
                                  n);
    });
  });
};

}  // namespace lact::kernels::cpu
