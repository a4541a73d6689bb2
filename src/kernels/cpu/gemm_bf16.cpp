// Products of bf16 numbers with f32 sums, as oneDNN primitives kept per shape.
#include <bit>
#include <dnnl.hpp>
#include <optional>
#include <unordered_map>

#include "kernels/product.hpp"
#include "tensor/device.hpp"

namespace lact::kernels {
namespace {

struct Kept {
  dnnl::matmul primitive;
  dnnl::memory a, b, y;
};

dnnl::engine& engine() {
  static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::memory::desc described(DType t, std::int64_t items, std::int64_t rows, std::int64_t columns,
                             std::int64_t item_step, std::int64_t row_step, std::int64_t column_step) {
  const auto type = t == DType::f32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
  return {{items, rows, columns}, type, {item_step, row_step, column_step}};
}

// One batch dim: size, steps of y, a, b; a step of 0 repeats one matrix.
std::optional<Kept> make(const Product& p, std::int64_t items, const std::array<std::int64_t, 3>& step) {
  const Operand &l = p.left, &r = p.right;
  const auto a = described(DType::bf16, step[1] == 0 ? 1 : items, p.m, p.k, std::max<std::int64_t>(step[1], 1),
                           l.transposed ? 1 : l.step, l.transposed ? l.step : 1);
  const auto b = described(DType::bf16, step[2] == 0 ? 1 : items, p.k, p.n, std::max<std::int64_t>(step[2], 1),
                           r.transposed ? 1 : r.step, r.transposed ? r.step : 1);
  const auto y = described(p.y.dtype(), items, p.m, p.n, std::max<std::int64_t>(step[0], 1), p.y_row, 1);
  dnnl::primitive_attr attributes;
  if (p.alpha != 1) attributes.set_output_scales(0, {float(p.alpha)});
  if (p.beta != 0) {
    dnnl::post_ops after;
    after.append_sum(float(p.beta));
    attributes.set_post_ops(after);
  }
  try {
    const dnnl::matmul::primitive_desc found(dnnl::matmul::desc(a, b, y), attributes, engine());
    return Kept{dnnl::matmul(found), dnnl::memory(a, engine(), nullptr), dnnl::memory(b, engine(), nullptr),
                dnnl::memory(y, engine(), nullptr)};
  } catch (const dnnl::error&) {  // the answer of processors without bf16 instructions
    return std::nullopt;
  }
}

}  // namespace

bool multiply_bf16(const Product& p) {
  thread_local std::unordered_map<ProductKey, std::optional<Kept>, ProductKeyHash> kept;
  thread_local dnnl::stream stream(engine());
  const auto last = std::size_t(p.items.dims - 1);
  const std::int64_t items = p.items.size[last];
  const std::array<std::int64_t, 3> step{p.items.step[0][last], p.items.step[1][last], p.items.step[2][last]};
  const ProductKey key{p.m,
                       p.n,
                       p.k,
                       p.y_row,
                       p.left.step,
                       p.left.transposed,
                       p.right.step,
                       p.right.transposed,
                       items,
                       step[0],
                       step[1],
                       step[2],
                       std::int64_t(p.y.dtype()),
                       std::bit_cast<std::int64_t>(p.alpha),
                       std::bit_cast<std::int64_t>(p.beta),
                       threads()};
  auto found = kept.find(key);
  if (found == kept.end()) found = kept.emplace(key, make(p, items, step)).first;
  if (!found->second) return false;
  Kept& m = *found->second;
  const std::int64_t outer = p.items.count() / items;
  for (std::int64_t i = 0; i < outer; ++i) {
    std::array<std::int64_t, 3> at{};
    std::int64_t rest = i;
    for (std::size_t d = last; d-- > 0; rest /= p.items.size[d])
      for (std::size_t k = 0; k < 3; ++k) at[k] += rest % p.items.size[d] * p.items.step[k][d];
    m.y.set_data_handle(p.y.raw() + at[0] * size_of(p.y.dtype()));
    m.a.set_data_handle(p.a.raw() + at[1] * 2);
    m.b.set_data_handle(p.b.raw() + at[2] * 2);
    m.primitive.execute(stream, {{DNNL_ARG_SRC, m.a}, {DNNL_ARG_WEIGHTS, m.b}, {DNNL_ARG_DST, m.y}});
  }
  return true;
}

}  // namespace lact::kernels
