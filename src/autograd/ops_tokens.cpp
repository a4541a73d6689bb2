#include "autograd/broadcast.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"

namespace lact {

Var embedding(const Var& table, const Tensor& index) {
  check(table.shape().size() == 2, "embedding takes rows of a table, not of {}", text_of(table.shape()));
  Tensor y = like(table.value(), {index.count(), table.dim(1)});
  kernels::embedding(y, dense(table.value()), index);
  return op("embedding", y, {table},
            [index, n = table.dim(0)](const Var& dy) { return Grads{embedding_grad(dy, index, n)}; });
}

Var embedding_grad(const Var& dy, const Tensor& index, std::int64_t n) {
  Tensor dtable = like(dy.value(), {n, dy.dim(1)});
  kernels::embedding_grad(dtable, dense(dy.value()), index);
  return op("embedding_grad", dtable, {dy}, [index](const Var& d) { return Grads{embedding(d, index)}; });
}

namespace {

Var turned(const Var& x, const Tensor& positions, const Rope& rope, bool back) {
  const Tensor y = like(x.value());
  kernels::turn(y, dense_rows(x.value()), positions, rope, back);
  return op("rope", y, {x}, [=](const Var& dy) { return Grads{turned(dy, positions, rope, !back)}; });
}

}  // namespace

Var rope(const Var& x, const Tensor& positions, const Rope& rope) { return turned(x, positions, rope, false); }

}  // namespace lact
