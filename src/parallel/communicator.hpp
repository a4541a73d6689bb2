// The contract of every transport. Calls come in the same order on every rank of a communicator.
#pragma once
#include <memory>
#include <span>

#include "tensor/tensor.hpp"

namespace lact {

class Work {  // something in flight; holds its tensors until wait()
 public:
  Work() = default;
  explicit Work(std::shared_ptr<void> state) : state_(std::move(state)) {}
  void wait() { state_.reset(); }  // self: nothing to wait for

 private:
  std::shared_ptr<void> state_;
};

struct Message {
  Tensor body;
  int peer = 0;
  bool send = false;
};
enum class Reduce : std::uint8_t { sum, max };

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual Work all_reduce(Tensor inout, Reduce op = Reduce::sum) = 0;
  // counts: elements of each rank along the flat tensor when the shares are uneven
  virtual Work all_gather(Tensor out, Tensor in, std::span<const std::int64_t> counts = {}) = 0;
  virtual Work reduce_scatter(Tensor out, Tensor in, std::span<const std::int64_t> counts = {}) = 0;
  virtual Work reduce_to(Tensor inout, int owner) = 0;
  virtual Work broadcast(Tensor inout, int owner) = 0;
  virtual Work all_to_all(Tensor out, Tensor in) = 0;
  virtual Work exchange(std::span<const Message> messages) = 0;
  virtual std::unique_ptr<Communicator> split(int color, int key) = 0;
};

std::unique_ptr<Communicator> self_communicator();  // one rank: copies

}  // namespace lact
