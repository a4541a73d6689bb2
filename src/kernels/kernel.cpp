#include "kernels/kernel.hpp"

#include <algorithm>

namespace lact::kernels {
namespace {

std::vector<const AnyKernel*>& entered() {  // made by the first definition, whichever file it stands in
  static std::vector<const AnyKernel*> kernels;
  return kernels;
}

}  // namespace

const std::vector<const AnyKernel*>& AnyKernel::all() { return entered(); }

void AnyKernel::enter(std::size_t place) {
  check(!defined_[place], "the kernel {} is defined twice for {}", name_,
        place == parts ? "parts" : name_of(Backend(place)));
  defined_[place] = true;
  if (std::ranges::find(entered(), this) == entered().end()) entered().push_back(this);
}

double bytes_of(const Tensor& t) {
  if (!t.defined()) return 0;
  auto n = double(size_of(t.dtype()));
  for (int i = 0; i < t.dims(); ++i)
    if (t.strides()[std::size_t(i)] != 0) n *= double(t.dim(i));
  return n;
}

}  // namespace lact::kernels
