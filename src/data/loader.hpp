// From samples to batches, prepared ahead by threads. The position in the data is one integer, the number of the next
// sample.
#pragma once
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "data/sample.hpp"

namespace lact {

class Loader {
 public:
  // The samples outlive the loader. `threads` prepare them ahead; 0: they are read when asked for.
  Loader(const Samples& samples, std::int64_t threads, Device& device);
  ~Loader();
  Loader(const Loader&) = delete;

  // The samples [first, first + count) of the whole run, `valid` counting these alone. The threads then prepare the
  // samples from first + stride on (stride 0 means count), and what is ready of them is sent to a GPU while it
  // computes; asking for others instead works and starts them anew. One caller at a time. What goes wrong in a thread
  // is thrown here.
  Batch batch(std::int64_t first, std::int64_t count, std::int64_t stride = 0);

  std::int64_t ready_bytes();  // of the samples prepared ahead
  const Samples& samples() const { return samples_; }

 private:
  struct Plan {  // the samples that will be asked for: place 0, 1, 2, ... of them
    std::int64_t first = 0, count = 0, stride = 0;
    std::int64_t sample(std::int64_t place) const { return first + place / count * stride + place % count; }
  };
  struct Prepared {
    Sample sample;
    std::exception_ptr error;
  };
  Prepared prepare(std::int64_t sample, const std::stop_token& stop) const;
  Prepared take();  // the next place of the plan
  struct Sent {     // a batch on its way to the device
    Batch batch;
    Event there;
  };
  Sent send(std::int64_t count);  // the next places of the plan
  bool next_is_ready();           // without waiting for anybody, and without an error
  Batch received();               // what was sent, for the compute stream
  void work(std::stop_token stop);
  void restart(Plan plan);

  const Samples& samples_;
  std::int64_t threads_;
  Device& device_;
  std::unique_ptr<Stream> sending_;  // beside the computing; none where batches lie in the host's memory
  std::optional<Sent> sent_;         // taken and not yet given

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  Plan plan_;
  std::int64_t begun_ = 0, taken_ = 0, given_ = 0;  // places: those given to the caller are behind those taken
  std::int64_t round_ = 0;                          // ends when the plan changes
  std::map<std::int64_t, Prepared> ready_;          // by place
  std::vector<std::jthread> workers_;
};

}  // namespace lact
