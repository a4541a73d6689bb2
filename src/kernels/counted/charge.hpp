// Telling the ledger of a device what a kernel costs.
#pragma once
#include <initializer_list>

#include "kernels/kernel.hpp"

namespace lact::kernels {

using Work = KernelLedger::Work;

inline void charge(const Tensor& result, Work work, const char* kernel, double operations, double bytes) {
  result.device().ledger()->charge(work, kernel, operations, bytes);
}

inline double bytes_of(std::initializer_list<const Tensor*> all) {
  double bytes = 0;
  for (const Tensor* t : all) bytes += bytes_of(*t);
  return bytes;
}

}  // namespace lact::kernels
