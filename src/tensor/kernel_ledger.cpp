#include "tensor/kernel_ledger.hpp"

#include <utility>

namespace lact {

void MeasuredKernels::charge(Work work, const std::string& kernel, double operations, double bytes) {
  if (++depth_ > 1) return;
  Row& row = rows_[kernel];
  ++row.calls, row.operations += operations, row.bytes += bytes, row.work = work;
  running_.push_back({&row, device_.compute().mark_time(), {}});
}

void MeasuredKernels::asked() {
  if (--depth_ == 0) running_.back().end = device_.compute().mark_time();
}

std::map<std::string, KernelLedger::Row> MeasuredKernels::rows() {
  for (const Running& r : std::exchange(running_, {})) r.row->seconds += r.end.seconds_since(r.begin);
  return rows_;
}

}  // namespace lact
