// What fast weights that learn in mini-batches of tokens need beside products.
#include "kernels/mini_batch.hpp"

#include "kernels/cpu/loops/loops.hpp"
#include "kernels/cpu/split.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {
namespace {

constexpr std::int64_t enough = 8192;  // numbers worth a thread

// Row r of n numbers; w and b have a row for each `per_item` of them.
template <class T>
ReconstructionRow<T> row_of(const Rows<T>& z, const Rows<T>& target, const Tensor& w, const Tensor& b, std::int64_t r,
                            std::int64_t n, std::int64_t per_item) {
  const std::int64_t at = r / per_item * n;
  return {z[r], target[r], w.data<T>() + at, b.data<T>() + at};
}

}  // namespace

const Cpu<kernels::reconstruction_grad> reconstruction_grad = [](const ReconstructionGrad& t) {
  for_type(t.dz, "reconstruction_grad", [&](auto zero) {
    using T = decltype(zero);
    const Rows<T> to(t.dz, "the result"), z(t.z, "z"), target(t.target, "the target");
    const std::int64_t n = to.size(), per_item = t.z.dim(1);
    split(to.count(), rows_worth(enough / 2, n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        loops<T>().reconstruction_grad(to[r], row_of(z, target, t.w, t.b, r, n, per_item), n, T(t.eps));
    });
  });
};

const Cpu<kernels::reconstruction_grad_grad> reconstruction_grad_grad = [](const ReconstructionGradGrad& t) {
  for_type(t.z_bar, "reconstruction_grad_grad", [&](auto zero) {
    using T = decltype(zero);
    const Rows<T> z_bar(t.z_bar, "the gradient of z"), target_bar(t.target_bar, "the gradient of the target"),
        w_rows(t.w_rows, "the gradient of w"), c(t.dz_bar, "the cotangent"), z(t.z, "z"),
        target(t.target, "the target");
    const std::int64_t n = z.size(), per_item = t.z.dim(1);
    split(z.count(), rows_worth(enough / 4, n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        loops<T>().reconstruction_grad_grad(z_bar[r], target_bar[r], w_rows[r], c[r],
                                            row_of(z, target, t.w, t.b, r, n, per_item), n, T(t.eps));
    });
  });
};

}  // namespace lact::kernels::cpu
