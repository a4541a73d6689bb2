// Running cuDNN's graphs: which shapes suit, plans kept per shape and GPU, workspace from the device's pool.
#include "kernels/cuda/cudnn.hpp"

#include <cuda_runtime.h>
#include <cudnn_frontend.h>

#include <algorithm>
#include <atomic>
#include <unordered_map>

#include "base/check.hpp"
#include "base/log.hpp"
#include "kernels/cuda/cudnn_graphs.hpp"
#include "kernels/cuda/libcudnn.hpp"
#include "kernels/cuda/libraries.hpp"
#include "kernels/cudnn.hpp"

namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;  // where the frontend looks functions up
}

namespace lact::kernels {
namespace {

std::atomic<CudnnUse> wanted = CudnnUse::all;
std::atomic<std::int64_t> runs = 0;

std::string found_library() {  // empty where it can be used
  cudnn_frontend::cudnn_dlhandle = cuda::cudnn::open_library();
  if (cudnn_frontend::cudnn_dlhandle == nullptr) return "no libcudnn.so.9";
  try {
    const auto version = cudnn_frontend::detail::get_backend_version();
    if (version < 90000) return sentence("cuDNN {}, which is too old", version);
    int runtime = 0;  // the frontend asks CUDA's shared runtime, which this program does not link
    if (cudnn_frontend::detail::cuda_runtime_get_version(&runtime) != cudaSuccess) return "CUDA's runtime is not there";
    return "";
  } catch (const std::exception& e) {
    return e.what();
  }
}
const std::string& missing_library() {
  static const std::string why = found_library();
  return why;
}

}  // namespace

void use_cudnn(CudnnUse use) { wanted = use; }
std::int64_t cudnn_runs() { return runs; }

std::string cudnn_library() {
  if (wanted == CudnnUse::none) return "cuDNN switched off";
  if (!missing_library().empty()) return "without cuDNN (" + missing_library() + ")";
  const auto version = std::int64_t(cudnn_frontend::detail::get_backend_version());
  return sentence("cuDNN {}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

namespace cuda::cudnn {
namespace {

namespace fe = cudnn_frontend;

// Bytes. Attention's deterministic gradient stores two bytes for every pair of a query and a key; where that is more,
// it is computed for a few items of the batch at a time, or by this program's own kernel.
constexpr std::int64_t most_workspace = std::int64_t(1) << 29;
constexpr std::int64_t widest_head = 256;

struct Kept {  // a compiled graph, or nothing where cuDNN does not take it
  Graph graph;
  std::size_t workspace = 0;
};

struct KeyHash {
  std::size_t operator()(const std::vector<std::int64_t>& key) const {  // FNV-1a over words
    std::uint64_t h = 14695981039346656037u;
    for (auto x : key) h = (h ^ std::uint64_t(x)) * 1099511628211u;
    return std::size_t(h ^ (h >> 32));
  }
};

class Library {  // of one GPU
 public:
  explicit Library(Device& d) : device_(d) {
    if (fe::detail::create_handle(&handle_) == CUDNN_STATUS_SUCCESS) return;
    handle_ = nullptr;
    log::warning("cuDNN could not be started on {}, so this program's own kernels serve", d.name());
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  bool run(const Asked& asked, const std::vector<Tensor>& operands) {
    if (handle_ == nullptr) return false;
    Kept& k = kept(asked);
    if (!k.graph) return false;
    std::unordered_map<std::int64_t, void*> at;
    for (std::size_t i = 0; i < operands.size(); ++i) at.emplace(std::int64_t(i) + 1, operands[i].raw());
    const auto workspace = device_.allocate(std::max<std::size_t>(k.workspace, 1));
    const std::string against = started(k, at, workspace.get());
    if (against.empty()) return ++runs, true;
    log::warning("cuDNN does not run a shape, so another kernel does ({}): {}", text_of(asked), against);
    k.graph = nullptr;
    return false;
  }

 private:
  std::string started(const Kept& k, std::unordered_map<std::int64_t, void*>& at, void* workspace) const {
    try {
      const auto stream = static_cast<cudaStream_t>(device_.compute().native());
      if (fe::detail::set_stream(handle_, stream) != CUDNN_STATUS_SUCCESS) return "it does not take the stream";
      auto said = k.graph->execute(handle_, at, workspace);
      return said.is_good() ? "" : said.get_message();
    } catch (const std::exception& e) {
      return e.what();
    }
  }

  Kept& kept(const Asked& asked) {
    auto key = asked.key();
    if (const auto found = kept_.find(key); found != kept_.end()) return found->second;
    Kept k{described(asked), 0};
    std::string against = compile(*k.graph, handle_);
    if (against.empty()) k.workspace = std::size_t(std::max<std::int64_t>(0, k.graph->get_workspace_size()));
    if (k.workspace > 2 * most_workspace) against = sentence("it wants {} MB beside", k.workspace >> 20);
    if (!against.empty()) {
      log::warning("cuDNN does not take a shape, so another kernel does ({}): {}", text_of(asked),
                   against.substr(0, against.find('\n')));
      k.graph = nullptr;
    }
    return kept_.emplace(std::move(key), std::move(k)).first->second;
  }
  static std::string text_of(const Asked& asked) {
    std::string text = asked.kernel->name();
    for (const View& v : asked.operands) text += " " + lact::text_of({v.size.begin(), v.size.begin() + v.dims});
    return text;
  }

  Device& device_;
  cudnnHandle_t handle_{};
  std::unordered_map<std::vector<std::int64_t>, Kept, KeyHash> kept_;
};

bool usable(const Tensor& y, CudnnUse least = CudnnUse::all) {
  return wanted >= least && y.dtype() == DType::bf16 && y.count() > 0 && missing_library().empty();
}

bool on_16_bytes(const Tensor& t) { return reinterpret_cast<std::uintptr_t>(t.raw()) % 16 == 0; }
// cuDNN's kernels load 16 bytes (8 numbers) at a time along a contiguous dim: it must have a multiple of 8 numbers, and
// all other steps must be multiples of 8.
bool aligned(const Tensor& t) {
  if (!on_16_bytes(t)) return false;
  bool lies_together = false;
  for (int d = 0; d < t.dims(); ++d) {
    const std::int64_t step = t.strides()[std::size_t(d)], size = t.dim(d);
    if (step == 1 && size % 8 == 0)
      lies_together = true;
    else if (size > 1 && (step <= 0 || step % 8 != 0))
      return false;
  }
  return lies_together;
}
bool suit(std::initializer_list<const Tensor*> all) {
  return std::ranges::all_of(
      all, [](const Tensor* t) { return t->defined() && t->dtype() == DType::bf16 && t->dims() <= 4 && aligned(*t); });
}
// Numbers from a view's first to its last. Kernels may count them in 32 bits, so larger views are not given to cuDNN.
std::int64_t span_of(const Tensor& t) {
  std::int64_t span = 1;
  for (int d = 0; d < t.dims(); ++d) span += (t.dim(d) - 1) * t.strides()[std::size_t(d)];
  return span;
}
constexpr std::int64_t most_span = (std::int64_t(1) << 31) - 1;
bool suit_product(std::initializer_list<const Tensor*> all) {
  return suit(all) && std::ranges::all_of(all, [](const Tensor* t) { return span_of(*t) <= most_span; });
}
// How many items of the batch one call of attention takes: at most `most`, 0 where a single one is too large. A part's
// statistics (`rows` floats per item) must begin on 16 bytes.
std::int64_t items_at_once(std::initializer_list<const Tensor*> all, std::int64_t most, std::int64_t rows) {
  const std::int64_t items = (*all.begin())->dim(0);
  most = std::min(items, most);
  for (const Tensor* t : all) {
    const std::int64_t one = span_of(t->cut(0, {0, 1})), step = std::max<std::int64_t>(1, t->strides()[0]);
    if (one > most_span) return 0;
    most = std::min(most, (most_span - one) / step + 1);
  }
  if (most < items && most * rows % 4 != 0) most -= most % 4;
  return most;
}
bool are_rates(std::initializer_list<const Tensor*> all, const Tensor& rows) {
  return std::ranges::all_of(all, [&](const Tensor* r) {
    return r->defined() && r->dtype() == DType::f32 && r->contiguous() && r->count() == rows.dim(0) * rows.dim(1) &&
           on_16_bytes(*r);
  });
}
// Whether the shapes of y = a b fit, as batches of matrices or as one. Where they do not, this program's own kernels
// are called and name the mistake.
bool fit(const Tensor& y, const Tensor& a, const Tensor& b) {
  if (y.dims() < 2 || y.dims() > 3 || a.dims() != y.dims() || b.dims() != y.dims()) return false;
  return a.dim(-2) == y.dim(-2) && b.dim(-1) == y.dim(-1) && a.dim(-1) == b.dim(-2) &&
         (y.dims() == 2 || (a.dim(0) == y.dim(0) && b.dim(0) == y.dim(0)));
}
bool same_shape(const Tensor& y, std::initializer_list<const Tensor*> all) {
  return std::ranges::all_of(all, [&](const Tensor* t) { return t->shape() == y.shape() && t->contiguous(); });
}

bool run(const AnyKernel& kernel, const std::vector<Tensor>& operands, double scale = 1, Mask mask = {}) {
  Asked asked{&kernel, {}, scale, mask};
  for (const Tensor& t : operands) asked.operands.emplace_back(t);
  return library_of<Library>(operands.front().device()).run(asked, operands);
}

// cuDNN does not promise zeros for a query that sees no key, so it is not asked where there may be one: with a window
// and more queries than keys. Nor does it support a single query with a single key. A window that hides no key is
// removed from the mask.
bool can_attend(Mask& mask, const Tensor& q, const Tensor& k, const Tensor& v) {
  const std::int64_t queries = q.dim(2), keys = k.dim(2);
  if (!mask.causal || mask.window >= queries) mask.window = 0;
  return std::max(q.dim(3), v.dim(3)) <= widest_head && keys > 0 && queries + keys > 2 &&
         (mask.window == 0 || queries <= keys);
}

// Runs the kernel on `at_once` items of the first dim at a time. False where cuDNN refused any of them: another kernel
// then computes them all.
bool item_by_item(const AnyKernel& kernel, std::initializer_list<const Tensor*> all, std::int64_t at_once, double scale,
                  Mask mask) {
  const std::int64_t items = (*all.begin())->dim(0);
  for (std::int64_t i = 0; at_once > 0 && i < items; i += at_once) {
    std::vector<Tensor> part;
    for (const Tensor* t : all) part.push_back(t->cut(0, {i, std::min(i + at_once, items)}));
    if (!run(kernel, part, scale, mask)) return false;
  }
  return at_once > 0;
}

std::int64_t rounded_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

}  // namespace

bool attention(const Tensor& o, const Tensor& lse, const Tensor& q, const Tensor& k, const Tensor& v, double scale,
               Mask mask) {
  if (!usable(o, CudnnUse::attention_only) || !suit({&o, &q, &k, &v}) || !on_16_bytes(lse) ||
      !can_attend(mask, q, k, v))
    return false;
  return item_by_item(kernels::attention, {&o, &lse, &q, &k, &v},
                      items_at_once({&o, &q, &k, &v}, q.dim(0), q.dim(1) * q.dim(2)), scale, mask);
}

bool attention_grad(const AttentionGrad& t) {
  Mask mask = t.mask;
  if (!usable(t.o, CudnnUse::attention_only) || !suit({&t.dq, &t.dk, &t.dv, &t.dout, &t.q, &t.k, &t.v, &t.o}) ||
      !on_16_bytes(t.lse) || !can_attend(mask, t.q, t.k, t.v))
    return false;
  const std::int64_t bytes = 2 * t.q.dim(1) * rounded_up(t.q.dim(2), 64) * rounded_up(t.k.dim(2), 128);
  const std::int64_t at_once = items_at_once({&t.dq, &t.dk, &t.dv, &t.dout, &t.q, &t.k, &t.v, &t.o},
                                             most_workspace / bytes, t.q.dim(1) * t.q.dim(2));
  return item_by_item(kernels::attention_grad, {&t.dq, &t.dk, &t.dv, &t.dout, &t.q, &t.k, &t.v, &t.o, &t.lse}, at_once,
                      t.scale, mask);
}

bool swiglu_products(const Tensor& m, const Tensor& g, const Tensor& h, const Tensor& x, const Tensor& w0,
                     const Tensor& w2) {
  if (!usable(m) || !suit_product({&m, &g, &h, &x, &w0, &w2}) || !same_shape(m, {&m, &g, &h}) || !fit(m, x, w0) ||
      !fit(m, x, w2))
    return false;
  return run(kernels::swiglu_products, {m, g, h, x, w0, w2});
}

bool swiglu_grad_product(const Tensor& dg, const Tensor& dh, const Tensor& dy, const Tensor& w1, const Tensor& g,
                         const Tensor& h) {
  if (!usable(dg) || !suit_product({&dg, &dh, &dy, &w1, &g, &h}) || !same_shape(dg, {&dg, &dh, &g, &h}) ||
      !fit(dg, dy, w1.transpose()))
    return false;
  return run(kernels::swiglu_grad_product, {dg, dh, dy, w1, g, h});
}

bool rated_gates_product(const RatedGatesProduct& t) {
  const auto& [rate0, rate1, rate2] = t.rates;
  if (!usable(t.m) || t.m.dims() != 3 || !suit_product({&t.m, &t.dg, &t.dh, &t.dm, &t.v, &t.w1, &t.g, &t.h}) ||
      !same_shape(t.m, {&t.m, &t.dg, &t.dh, &t.dm, &t.g, &t.h}) || !are_rates({&rate0, &rate1, &rate2}, t.m) ||
      !fit(t.m, t.v, t.w1.transpose()))
    return false;
  return run(kernels::rated_gates_product, {t.m, t.dg, t.dh, t.dm, t.v, t.w1, t.g, t.h, rate0, rate1, rate2});
}

bool gelu_product(const Tensor& y, const Tensor& u, const Tensor& x, const Tensor& w) {
  if (!usable(y) || !suit_product({&y, &u, &x, &w}) || !same_shape(y, {&y, &u}) || !fit(y, x, w.transpose()))
    return false;
  return run(kernels::gelu_product, {y, u, x, w});
}

bool gelu_grad_product(const Tensor& du, const Tensor& dy, const Tensor& w, const Tensor& u) {
  if (!usable(du) || !suit_product({&du, &dy, &w, &u}) || !same_shape(du, {&du, &u}) || !fit(du, dy, w)) return false;
  return run(kernels::gelu_grad_product, {du, dy, w, u});
}

}  // namespace cuda::cudnn
}  // namespace lact::kernels
