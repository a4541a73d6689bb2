#include "app/bench.hpp"

#include "kernels/cudnn.hpp"

namespace lact {

void BenchPlace::fields(Fields& f) {
  f("compute.device", device, "cpu, cuda, or best: a GPU where one is present");
  f("compute.cudnn", cudnn,
    "what of bf16 goes through cuDNN where it is found: none, attention, all (also gated products)");
  f("precision", precision, "fp32 or bf16; by default bf16 on a GPU and fp32 on a CPU");
}

std::unique_ptr<Device> BenchPlace::open() {
  const Backend backend = backend_named(device);
  if (precision.empty()) precision = backend == Backend::cuda ? "bf16" : "fp32";
  check(precision == "fp32" || precision == "bf16", "precision={}: fp32 and bf16 are known", precision);
  set_threads(0);
  kernels::use_cudnn(kernels::cudnn_use_named(cudnn));
  return Device::open(backend);
}

}  // namespace lact
