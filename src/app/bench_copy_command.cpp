#include <iostream>

#include "app/bench.hpp"
#include "files/json.hpp"
#include "kernels/pointwise.hpp"
#include "train/product_rate.hpp"

namespace lact {
namespace {

struct CopyConfig {
  std::string device = "best";
  std::int64_t least = 1 << 20, most = 1 << 28, times = 16;
  void fields(Fields& f) {
    f("compute.device", device, "cpu, cuda, or best: a GPU where one is present");
    f("least", least, "bytes of the smallest tensor");
    f("most", most, "bytes of the largest");
    f("times", times, "each size is so many times the one before");
  }
};

struct CopyRow {
  const char* what;
  std::int64_t tensors;  // read or written
  std::function<void()> run;
  std::function<bool(float a, float b, float result)> right;
};

}  // namespace

std::string copy_keys() { return keys_of<CopyConfig>(); }

int bench_copy_command(const Arguments& args, bool json) {
  const auto cfg = bench_config<CopyConfig>(args);
  check(cfg.least >= 4 && cfg.most >= cfg.least && cfg.times > 1, "least={} most={} times={} are no growing sizes",
        cfg.least, cfg.most, cfg.times);
  const auto device = Device::open(backend_named(cfg.device));
  set_threads(0);
  Json list = Json::array();
  if (!json)
    std::cout << fill("{}\n{:<8} {:>12} {:>10} {:>9} {:>6}\n",
                      {device->name(), "what", "bytes", "us", "GB/s", "wrong"});
  bool right = true;
  for (std::int64_t bytes = cfg.least; bytes <= cfg.most; bytes *= cfg.times) {
    const std::int64_t n = bytes / 4;
    const Tensor a = drawn(*device, DType::f32, {n}, "a"), b = drawn(*device, DType::f32, {n}, "b"), y = like(a);
    const std::vector<CopyRow> rows{{"copy", 2, [&] { device->copy(y.raw(), a.raw(), std::size_t(4 * n)); },
                                     [](float x, float, float got) { return got == x; }},
                                    {"kernel", 2, [&] { kernels::unary(kernels::Unary::square, y, a); },
                                     [](float x, float, float got) { return got == x * x; }},
                                    {"add", 3, [&] { kernels::binary(kernels::Binary::add, y, a, b); },
                                     [](float x, float z, float got) { return got == x + z; }}};
    const std::vector<float> first = a.to_floats(), second = b.to_floats();
    for (const CopyRow& r : rows) {
      const double seconds = median_seconds(*device, 10, r.run);
      const std::vector<float> got = y.to_floats();
      std::int64_t wrong = 0;
      for (std::size_t i = 0; i < got.size(); ++i) wrong += !r.right(first[i], second[i], got[i]);
      right = right && wrong == 0;
      const double rate = double(r.tensors * 4 * n) / seconds;
      list.push(Json::object({{"what", r.what},
                              {"bytes", 4 * n},
                              {"seconds", seconds},
                              {"bytes_per_second", rate},  // read and written
                              {"wrong", wrong}}));
      if (!json)
        std::cout << fill("{:<8} {:>12} {:>10.1f} {:>9.1f} {:>6}\n", {r.what, 4 * n, seconds * 1e6, rate / 1e9, wrong});
    }
  }
  if (json) std::cout << Json::object({{"device", device->name()}, {"rows", list}}).dump() << "\n";
  return right ? exit_done : exit_error;
}

}  // namespace lact
