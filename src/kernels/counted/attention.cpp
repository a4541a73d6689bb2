// What attention costs: a multiplication and an addition, two operations, for each number of a head and each pair of a
// query and a key that it sees.
#include "kernels/attention.hpp"

#include <algorithm>

#include "kernels/counted/charge.hpp"

namespace lact::kernels {
namespace {

// Pairs of a query and a key that it sees, over all heads.
double seen(const Tensor& q, const Tensor& k, Mask mask) {
  auto items = double(q.dim(0) * q.dim(1)), queries = double(q.dim(2)), keys = double(k.dim(2));
  if (!mask.causal) return items * queries * keys;
  return items * queries * (mask.window > 0 ? std::min(double(mask.window), keys) : keys / 2);
}

// For each pair a product over d, q k^T, and one over dv, p v.
const Counted<attention> of_attention = [](const Tensor& o, const Tensor& lse, const Tensor& q, const Tensor& k,
                                           const Tensor& v, const double&, const Mask& mask) {
  charge(o, Work::attention, "attention", 2 * seen(q, k, mask) * double(q.dim(3) + v.dim(3)),
         bytes_of({&o, &lse, &q, &k, &v}));
};

// For each pair three products over d (q k^T again, dq, dk) and two over dv (dout v^T, dv). The gradients are as large
// as what they belong to.
const Counted<attention_grad> of_attention_grad = [](const AttentionGrad& t) {
  charge(t.dq, Work::attention, "attention_grad", 2 * seen(t.q, t.k, t.mask) * double(3 * t.q.dim(3) + 2 * t.v.dim(3)),
         2 * bytes_of({&t.q, &t.k, &t.v, &t.o}) + bytes_of(t.lse));
};

}  // namespace
}  // namespace lact::kernels
