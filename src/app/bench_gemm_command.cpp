#include <iostream>

#include "app/bench.hpp"
#include "files/json.hpp"
#include "kernels/gemm.hpp"
#include "train/product_rate.hpp"

namespace lact {
namespace {

struct GemmConfig {
  BenchPlace place;
  std::int64_t tokens = 0;
  void fields(Fields& f) {
    place.fields(f);
    f("tokens", tokens, "rows of the products; 0: 16,384 on a GPU, 1,024 on a CPU");
  }
};

struct GemmRow {
  std::int64_t m = 0, n = 0, k = 0;
  double seconds = 0, error = 0;  // error: of a small product with this k against f64
};

double error_of_product(Device& d, DType t, std::int64_t k) {
  constexpr std::int64_t m = 16, n = 24;
  auto product = [&](DType type, DType result) {
    const Tensor y = Tensor::empty(d, {m, n}, result);
    kernels::matmul(y, drawn(d, type, {m, k}, "a"), drawn(d, type, {k, n}, "b"));
    return y.to_doubles();
  };
  return relative_difference(product(t, DType::f32), product(DType::f64, DType::f64));
}

}  // namespace

std::string gemm_keys() { return keys_of<GemmConfig>(); }

int bench_gemm_command(const Arguments& args, bool json) {
  auto cfg = bench_config<GemmConfig>(args);
  const auto device = cfg.place.open();
  const DType t = cfg.place.type();
  check(cfg.tokens >= 0, "tokens={} is negative", cfg.tokens);
  const std::int64_t tokens = cfg.tokens > 0 ? cfg.tokens : device->backend() == Backend::cuda ? 16384 : 1024;
  std::vector<GemmRow> rows{{tokens, 2304, 768}, {tokens, 768, 768},  {tokens, 3072, 768}, {tokens, 768, 3072},
                            {tokens, 1536, 768}, {768, 3072, tokens}, {768, 1536, tokens}, {768, 768, 1536}};
  Json list = Json::array();
  if (!json)
    std::cout << fill("{}, {}\n{:>7} {:>6} {:>6} {:>10} {:>9} {:>9}\n",
                      {device->name(), cfg.place.precision, "m", "n", "k", "us", "TFLOP/s", "error"});
  bool right = true;
  for (GemmRow& r : rows) {
    r.seconds = product_seconds(*device, t, r.m, r.n, r.k, 10);
    r.error = error_of_product(*device, t, r.k);
    right = right && r.error < 1e-5;
    const double flops = 2.0 * double(r.m * r.n) * double(r.k) / r.seconds;
    list.push(Json::object(
        {{"m", r.m}, {"n", r.n}, {"k", r.k}, {"seconds", r.seconds}, {"flops_per_second", flops}, {"error", r.error}}));
    if (!json)
      std::cout << fill("{:>7} {:>6} {:>6} {:>10.1f} {:>9.3f} {:>9.1e}\n",
                        {r.m, r.n, r.k, r.seconds * 1e6, flops / 1e12, r.error});
  }
  if (json)
    std::cout << Json::object({{"device", device->name()}, {"precision", cfg.place.precision}, {"rows", list}}).dump()
              << "\n";
  return right ? exit_done : exit_error;
}

}  // namespace lact
