// A device on paper. It hands out places in no memory, and where another device would compute or carry it advances a
// clock and a tally. The program itself, run on it, tells what a run would need: bytes, calls, operations, seconds.
#pragma once
#include "tensor/kernel_ledger.hpp"
#include "tensor/pool.hpp"

namespace lact {

struct PaperRates {                                     // of one rank
  double product = 1, bf16_product = 1, attention = 1;  // floating-point operations per second
  double memory = 1;                                    // bytes per second, read and written
  double call = 0;                                      // seconds that any kernel takes to begin
  bool wide = false;                                    // Device::wide()
};

class PaperDevice final : public Device, private KernelLedger {
 public:
  using KernelLedger::Row;
  using KernelLedger::Work;

  explicit PaperDevice(const PaperRates& rates) : rates_(rates) { tell(this); }
  double seconds() const { return seconds_; }
  void wait_until(double seconds, const std::string& what);  // counts as a row of the tally
  // A kernel takes as long as its operations or its bytes, whichever is more.
  void charge(Work work, const std::string& kernel, double operations, double bytes) override;
  const std::map<std::string, Row>& tally() const { return tally_; }
  void clear_tally() { tally_.clear(); }

  Backend backend() const override { return Backend::paper; }
  std::string name() const override { return "paper"; }
  bool wide() const override { return rates_.wide; }
  Stream& compute() override { return compute_; }
  Device& host() override { return *host_; }
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override;
  MemoryUse memory() const override { return use_->now; }
  std::size_t capacity() const override { return 0; }
  void reset_peak() override;
  void clear(std::byte*, std::size_t) override {}
  void copy(std::byte*, const std::byte*, std::size_t) override {}
  void copy_in(std::byte*, const void*, std::size_t, Stream*) override {}
  void copy_out(void* host, const std::byte* from, std::size_t bytes) override;  // zeros

 private:
  PaperRates rates_;
  double seconds_ = 0;
  std::map<std::string, Row> tally_;
  struct Use {
    MemoryUse now;
  };
  std::shared_ptr<Use> use_ = std::make_shared<Use>();
  Stream compute_;
  std::unique_ptr<Device> host_ = Device::open(Backend::cpu);
};

}  // namespace lact
