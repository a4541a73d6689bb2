// What the commands of `lact bench` share.
#pragma once
#include "app/commands.hpp"
#include "base/check.hpp"
#include "base/config.hpp"
#include "tensor/tensor.hpp"

namespace lact {

struct BenchPlace {
  std::string device = "best", cudnn = "attention", precision;
  void fields(Fields& f);
  std::unique_ptr<Device> open();  // settles the precision: bf16 on a GPU, fp32 on a CPU
  DType type() const { return precision == "bf16" ? DType::bf16 : DType::f32; }
};

template <class Config>
Config bench_config(const Arguments& args) {
  Config cfg;
  const Fields fields = Fields::of(cfg);
  for (const std::string& o : args.overrides) apply_override(fields, o);
  return cfg;
}

template <class Config>
std::string keys_of() {  // every key, its default and its sentence
  Config cfg;
  return describe(Fields::of(cfg));
}

}  // namespace lact
