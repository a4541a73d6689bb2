// Samples to train on, by their number in the whole run, in the host's memory.
#pragma once
#include <memory>
#include <optional>
#include <stop_token>
#include <variant>
#include <vector>

#include "base/file_work.hpp"
#include "tensor/batch.hpp"

namespace lact {

struct HostTensor {
  std::string name;
  Shape shape;  // of one sample
  std::variant<std::vector<float>, std::vector<std::int32_t>> numbers;
};

struct Sample {
  std::vector<HostTensor> tensors;
  std::map<std::string, std::int64_t> sizes;
  std::int64_t bytes() const;
};

// What a run trains on. A sample is a function of its number alone, whatever was read before and whoever reads.
class Samples {
 public:
  virtual ~Samples() = default;
  // Called by several threads at once. Asked to stop it may return a sample that is not complete; nobody looks at it.
  virtual Sample read(std::int64_t number, const std::stop_token& stop) const = 0;
  // How many target numbers of these samples are valid, known without reading them.
  virtual double valid(Range numbers) const = 0;
  // What a rank is at while it waits for a sample: "reading pictures of PATH".
  virtual FileWork reading() const = 0;
  // A sentence for each part of the data in whose place others are read because it is damaged.
  virtual std::vector<std::string> replaced() const { return {}; }
};

// The samples one behind the other, in the order of the compute stream or of `in`; `valid` is left to the caller. All
// have the tensors and sizes of the first.
Batch batch_of(const std::vector<Sample>& samples, Device& device, Stream* in = nullptr);

}  // namespace lact
