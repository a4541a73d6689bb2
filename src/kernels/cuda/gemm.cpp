// Strided batched products through cuBLASLt. Row-major matrices are its column-major transposes, so y = a b is asked as
// y^T = b^T a^T. The algorithm is chosen once per shape and then kept, so that a shape repeats its bits.
#include "kernels/gemm.hpp"

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <unordered_map>

#include "kernels/cuda/libraries.hpp"
#include "kernels/pointwise.hpp"
#include "kernels/product.hpp"

namespace lact::kernels::cuda {
namespace {

constexpr std::size_t workspace_bytes = 32u << 20;  // what the library's makers advise for Hopper

void worked(cublasStatus_t status, const char* what) {
  check(status == CUBLAS_STATUS_SUCCESS, "cuBLASLt: {} failed: {}", what, cublasLtGetStatusString(status));
}

cudaDataType_t type_of(DType t) { return t == DType::f64 ? CUDA_R_64F : (t == DType::f32 ? CUDA_R_32F : CUDA_R_16BF); }

struct Kept {  // one shape, ready to run
  cublasLtMatmulDesc_t operation{};
  cublasLtMatrixLayout_t a{}, b{}, y{};
  cublasLtMatmulAlgo_t algorithm{};
};

class Library {  // of one GPU
 public:
  explicit Library(Device& d) : workspace_(d.allocate(workspace_bytes)) {
    worked(cublasLtCreate(&handle_), "starting the library");
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  // c: what beta multiplies, laid out as y, which it may be
  void run(const Product& p, std::int64_t items, const std::array<std::int64_t, 3>& step, std::byte* y,
           const std::byte* c, const std::byte* a, const std::byte* b, cudaStream_t stream) {
    const Kept& k = kept(p, items, step, alignment(c) < alignment(y) ? c : y, a, b);
    const double alpha = p.alpha, beta = p.beta;
    const float alpha_f = float(alpha), beta_f = float(beta);
    const bool wide = p.y.dtype() == DType::f64;
    worked(cublasLtMatmul(handle_, k.operation, wide ? static_cast<const void*>(&alpha) : &alpha_f, b, k.b, a, k.a,
                          wide ? static_cast<const void*>(&beta) : &beta_f, c, k.y, y, k.y, &k.algorithm,
                          workspace_.get(), workspace_bytes, stream),
           "a product");
  }

 private:
  static std::int64_t alignment(const std::byte* p) {
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    std::uintptr_t by = 256;
    while (at % by != 0) by /= 2;
    return std::int64_t(by);
  }

  const Kept& kept(const Product& p, std::int64_t items, const std::array<std::int64_t, 3>& step, const std::byte* y,
                   const std::byte* a, const std::byte* b) {
    const std::int64_t types = int(p.y.dtype()) * 16 + int(p.a.dtype()),
                       ways = p.left.transposed * 2 + p.right.transposed;
    // what decides which algorithm is best and what it computes; pointers only by how they are aligned
    const ProductKey key{p.m,     p.n,     p.k,   p.left.step, p.right.step, p.y_row,      items,        step[0],
                         step[1], step[2], types, ways,        alignment(y), alignment(a), alignment(b), p.beta == 0.0};
    auto found = kept_.find(key);
    if (found != kept_.end()) return found->second;
    return kept_.emplace(key, chosen(p, items, step, key)).first->second;
  }

  static cublasLtMatrixLayout_t layout(DType t, std::int64_t rows, std::int64_t columns, std::int64_t lead,
                                       std::int64_t items, std::int64_t step) {
    cublasLtMatrixLayout_t l{};
    worked(cublasLtMatrixLayoutCreate(&l, type_of(t), std::uint64_t(rows), std::uint64_t(columns), lead), "a layout");
    const auto count = std::int32_t(items);
    cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count));
    cublasLtMatrixLayoutSetAttribute(l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step, sizeof(step));
    return l;
  }
  // A stored matrix of m x k is a column-major one of k x m, or of m x k where it is stored transposed.
  static cublasLtMatrixLayout_t layout(const Operand& o, DType t, std::int64_t rows, std::int64_t columns,
                                       std::int64_t items, std::int64_t step) {
    return o.transposed ? layout(t, rows, columns, o.step, items, step) : layout(t, columns, rows, o.step, items, step);
  }

  Kept chosen(const Product& p, std::int64_t items, const std::array<std::int64_t, 3>& step, const ProductKey& key) {
    Kept k;
    const bool wide = p.y.dtype() == DType::f64;
    worked(cublasLtMatmulDescCreate(&k.operation, wide ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
                                    wide ? CUDA_R_64F : CUDA_R_32F),
           "describing a product");
    const cublasOperation_t right = p.right.transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                            left = p.left.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasLtMatmulDescSetAttribute(k.operation, CUBLASLT_MATMUL_DESC_TRANSA, &right, sizeof(right));
    cublasLtMatmulDescSetAttribute(k.operation, CUBLASLT_MATMUL_DESC_TRANSB, &left, sizeof(left));
    k.b = layout(p.right, p.b.dtype(), p.k, p.n, items, step[2]);
    k.a = layout(p.left, p.a.dtype(), p.m, p.k, items, step[1]);
    k.y = layout(p.y.dtype(), p.n, p.m, p.y_row, items, step[0]);
    cublasLtMatmulPreference_t wish{};
    worked(cublasLtMatmulPreferenceCreate(&wish), "a preference");
    const std::size_t bytes = workspace_bytes;
    cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof(bytes));
    const auto aligned = [&](cublasLtMatmulPreferenceAttributes_t what, std::int64_t by) {
      const auto value = std::uint32_t(by);
      cublasLtMatmulPreferenceSetAttribute(wish, what, &value, sizeof(value));
    };
    aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key[14]);
    aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key[13]);
    aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key[12]);
    aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key[12]);
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    const auto status =
        cublasLtMatmulAlgoGetHeuristic(handle_, k.operation, k.b, k.a, k.y, k.y, wish, 1, &best, &found);
    cublasLtMatmulPreferenceDestroy(wish);
    check(status == CUBLAS_STATUS_SUCCESS && found > 0,
          "cuBLASLt knows no way for {} products of {} x {} x {} of {}: {}", items, p.m, p.n, p.k, name_of(p.a.dtype()),
          cublasLtGetStatusString(status));
    k.algorithm = best.algo;
    return k;
  }

  cublasLtHandle_t handle_{};
  std::shared_ptr<std::byte> workspace_;  // products follow each other in one stream, so one serves all
  std::unordered_map<ProductKey, Kept, ProductKeyHash> kept_;
};

}  // namespace

const Cuda<kernels::matmul_add> matmul_add = [](Tensor y, const Tensor& c, const Tensor& a, const Tensor& b,
                                                double alpha, double beta) {
  Product p = product_of(y, a, b, alpha, beta);
  if (y.count() == 0) return;
  if (p.k == 0) {  // a product over nothing: y = beta c
    const Tensor rest = like(y);
    if (beta == 0)
      Cuda<kernels::fill>::as_part(rest, 0.0);
    else
      Cuda<kernels::unary>::as_part(Unary::scale, rest, c, beta);
    return Cuda<kernels::unary>::as_part(Unary::copy, y, rest, 0.0);
  }
  // The last batch dim goes to the library, the others are a loop.
  Layout<3> outer = p.items;
  const auto last = std::size_t(p.items.dims - 1);
  const std::int64_t items = p.items.size[last];
  const std::array<std::int64_t, 3> step{p.items.step[0][last], p.items.step[1][last], p.items.step[2][last]};
  outer.dims = p.items.dims - 1;
  if (outer.dims == 0) outer.close();
  Library& library = library_of<Library>(y.device());
  const auto stream = static_cast<cudaStream_t>(y.device().compute().native());
  for (std::int64_t i = 0; i < (p.items.dims > 1 ? outer.count() : 1); ++i) {
    const ItemPlace at = p.items.dims > 1 ? item_at(outer, i) : ItemPlace{0, 0, 0};
    library.run(p, items, step, p.y.raw() + at.y * size_of(p.y.dtype()), c.raw() + at.y * size_of(p.y.dtype()),
                p.a.raw() + at.a * size_of(p.a.dtype()), p.b.raw() + at.b * size_of(p.b.dtype()), stream);
  }
};

}  // namespace lact::kernels::cuda
