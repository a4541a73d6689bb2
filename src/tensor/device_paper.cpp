#include "tensor/device_paper.hpp"

#include <array>
#include <cstring>

namespace lact {

std::shared_ptr<std::byte> PaperDevice::allocate(std::size_t bytes) {
  static std::byte nowhere[64];  // a place that is never read or written
  std::size_t size = Pool::size_class(bytes);
  use_->now.now += size;
  use_->now.peak = std::max(use_->now.peak, use_->now.now);
  return {nowhere, [use = use_, size](std::byte*) { use->now.now -= size; }};
}

void PaperDevice::reset_peak() { use_->now.peak = use_->now.now; }

void PaperDevice::copy_out(void* host, const std::byte*, std::size_t bytes) { std::memset(host, 0, bytes); }

void PaperDevice::wait_until(double seconds, const std::string& what) {
  Row& row = tally_[what];
  ++row.calls, row.seconds += std::max(0.0, seconds - seconds_);
  seconds_ = std::max(seconds_, seconds);
}

void PaperDevice::charge(Work work, const std::string& kernel, double operations, double bytes) {
  const std::array rates{rates_.product, rates_.bf16_product, rates_.attention};
  double computing = work == Work::elements ? 0 : operations / rates[std::size_t(work)];
  double took = std::max(computing, bytes / rates_.memory) + rates_.call;
  Row& row = tally_[kernel];
  ++row.calls, row.operations += operations, row.bytes += bytes, row.seconds += took, row.work = work;
  seconds_ += took;
}

}  // namespace lact
