#include "base/check.hpp"
#include "kernels/cudnn.hpp"

namespace lact::kernels {

CudnnUse cudnn_use_named(const std::string& name) {
  check(name == "none" || name == "attention" || name == "all", "compute.cudnn={}: none, attention and all are known",
        name);
  return name == "none" ? CudnnUse::none : name == "attention" ? CudnnUse::attention_only : CudnnUse::all;
}

}  // namespace lact::kernels
