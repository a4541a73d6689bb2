// All that knows oneDNN, versions 2 and 3.
// f32: a product is cut into pieces whose size depends on the shape alone, and each piece is one call of its sgemm on
// one thread. So the number of threads changes no bit, and many small products run side by side.
// bf16, with f32 sums: a oneDNN primitive per shape, made once and kept.
#include <dnnl.h>
#include <omp.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <dnnl.hpp>
#include <optional>
#include <unordered_map>

#include "kernels/cpu/split.hpp"
#include "kernels/gemm.hpp"
#include "kernels/product.hpp"
#include "tensor/device.hpp"

namespace lact::kernels {
namespace {

class OneThread {  // oneDNN asks OpenMP how many threads it may use
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

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

// y = alpha a b + beta y.
dnnl::primitive_attr scaled(float alpha, float beta) {
  constexpr auto linear = dnnl::algorithm::eltwise_linear;
  dnnl::post_ops after;
#if DNNL_VERSION_MAJOR >= 3
  if (alpha != 1) after.append_eltwise(linear, alpha, 0);
#else
  if (alpha != 1) after.append_eltwise(1, linear, alpha, 0);
#endif
  if (beta != 0) after.append_sum(beta);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(after);
  return attributes;
}

dnnl::matmul::primitive_desc described(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                                       const dnnl::memory::desc& y, const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), a, b, y, attributes};
#else
  return {dnnl::matmul::desc(a, b, y), attributes, engine()};
#endif
}

// One batch dim: size, steps of y, a, b; a step of 0 repeats one matrix.
std::optional<Kept> make(const Product& p, std::int64_t items, const std::array<std::int64_t, 3>& step) {
  const Operand &l = p.left, &r = p.right;
  const auto a = described(DType::bf16, step[1] == 0 ? 1 : items, p.m, p.k, std::max<std::int64_t>(step[1], 1),
                           l.transposed ? 1 : l.step, l.transposed ? l.step : 1);
  const auto b = described(DType::bf16, step[2] == 0 ? 1 : items, p.k, p.n, std::max<std::int64_t>(step[2], 1),
                           r.transposed ? 1 : r.step, r.transposed ? r.step : 1);
  const auto y = described(p.y.dtype(), items, p.m, p.n, std::max<std::int64_t>(step[0], 1), p.y_row, 1);
  try {
    const auto found = described(a, b, y, scaled(float(p.alpha), float(p.beta)));
    return Kept{dnnl::matmul(found), dnnl::memory(a, engine(), nullptr), dnnl::memory(b, engine(), nullptr),
                dnnl::memory(y, engine(), nullptr)};
  } catch (const dnnl::error&) {  // this processor has no bf16 instructions
    return std::nullopt;
  }
}

}  // namespace

// A piece is some 8 million multiplications and additions, about 50 us: long beside the cost of a call, short beside a
// training step. Every piece packs all of b again, which few rows do not pay for: so there are at most 8 pieces, or
// more where each still has 128 rows. Their number is even, because the number of threads mostly is.
void multiply_f32(const Product& p) {
  const double work = 2.0 * double(p.m) * double(p.n) * double(p.k);
  const bool tall = p.m >= p.n;
  const std::int64_t length = tall ? p.m : p.n, unit = tall ? 16 : 48;  // sgemm works in steps of 8 rows and 48 columns
  std::int64_t wanted = std::min<std::int64_t>(std::llround(work / 8e6), std::max<std::int64_t>(8, length / 128));
  wanted = wanted > 1 ? (wanted + 1) / 2 * 2 : 1;
  const std::int64_t items = p.items.count();
  const std::int64_t piece = std::max(unit, (length + wanted * unit - 1) / (wanted * unit) * unit);
  const std::int64_t pieces = (length + piece - 1) / piece;
  const auto grain = std::int64_t(1e6 / (work / double(pieces))) + 1;
  std::atomic<bool> refused = false;
  split(items * pieces, grain, [&](std::int64_t begin, std::int64_t end) {
    const OneThread one;
    for (std::int64_t i = begin; i < end; ++i) {
      const ItemPlace at = item_at(p.items, i / pieces);
      const std::int64_t first = i % pieces * piece, size = std::min(piece, length - first);
      const float* a = p.a.data<float>() + at.a + (tall ? first * (p.left.transposed ? 1 : p.left.step) : 0);
      const float* b = p.b.data<float>() + at.b + (tall ? 0 : first * (p.right.transposed ? p.right.step : 1));
      float* y = p.y.data<float>() + at.y + (tall ? first * p.y_row : first);
      const auto status = dnnl_sgemm(p.left.transposed ? 'T' : 'N', p.right.transposed ? 'T' : 'N', tall ? size : p.m,
                                     tall ? p.n : size, p.k, float(p.alpha), a, p.left.step, b, p.right.step,
                                     float(p.beta), y, p.y_row);
      if (status != dnnl_success) refused = true;
    }
  });
  check(!refused, "oneDNN refused a product of {} x {} x {}", p.m, p.n, p.k);
}

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

std::string product_library() {
  const dnnl_version_t* v = dnnl_version();
  return sentence("oneDNN {}.{}.{}", v->major, v->minor, v->patch);
}

}  // namespace lact::kernels
