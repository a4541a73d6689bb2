#include "tensor/kernel_ledger.hpp"

#include <algorithm>
#include <utility>

namespace lact {

std::vector<std::pair<std::string, KernelLedger::Row>> by_seconds(
    const std::map<std::string, KernelLedger::Row>& rows) {
  std::vector<std::pair<std::string, KernelLedger::Row>> sorted(rows.begin(), rows.end());
  std::ranges::stable_sort(sorted, [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  return sorted;
}

void MeasuredKernels::charge(Work work, const std::string& kernel, double operations, double bytes) {
  if (!open_.empty() && open_.back() >= 0) {
    const Running& whole = running_.back();
    --whole.row->calls, whole.row->operations -= whole.operations, whole.row->bytes -= whole.bytes;
    running_.pop_back();
    open_.back() = -1;
  }
  Row& row = rows_[kernel];
  ++row.calls, row.operations += operations, row.bytes += bytes, row.work = work;
  open_.push_back(std::ssize(running_));
  running_.push_back({&row, operations, bytes, device_.compute().mark_time(), {}});
}

void MeasuredKernels::asked() {
  if (open_.back() >= 0) running_[std::size_t(open_.back())].end = device_.compute().mark_time();
  open_.pop_back();
}

std::map<std::string, KernelLedger::Row> MeasuredKernels::rows() {
  for (const Running& r : std::exchange(running_, {})) r.row->seconds += r.end.seconds_since(r.begin);
  std::erase_if(rows_, [](const auto& row) { return row.second.calls == 0; });
  return rows_;
}

}  // namespace lact
