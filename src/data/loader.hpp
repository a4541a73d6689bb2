// From pictures to batches, prepared ahead by threads. The position in the data is one integer, the number of the next
// sample.
#pragma once
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>

#include "data/sample.hpp"

namespace lact {

// The scenes of data.path, or generated ones where it is empty. All keys are checked first. `looks`: at some of the
// pictures, see look_at_some(); of several ranks one is enough.
std::unique_ptr<WatchedViews> open_views(const DataConfig& config, bool looks = true);

class Loader {
 public:
  // The source outlives the loader. A scene without enough views to train on is an error here. `seen`: per view of a
  // sample, inputs first, whether anyone here looks at it; others are not read, their pictures and intrinsics are
  // zeros. All are seen where nothing is said. With data.damaged=skip other training views of the scene stand in for
  // those whose picture is damaged, and other scenes for one that has none left.
  Loader(const ViewSource& source, DataConfig config, std::uint64_t seed, Device& device, std::vector<bool> seen = {});
  ~Loader();
  Loader(const Loader&) = delete;

  // The samples [first, first + count) of the whole run, `valid` counting these alone. The threads then prepare the
  // samples from first + stride on (stride 0 means count), and what is ready of them is sent to a GPU while it
  // computes; asking for others instead works and starts them anew. One caller at a time. What goes wrong in a thread
  // is thrown here.
  Batch batch(std::int64_t first, std::int64_t count, std::int64_t stride = 0);

  std::vector<std::string> lost_scenes() const;  // a sentence for each that others stand in for
  std::int64_t ready_bytes();                    // of the samples prepared ahead

  ViewChoice choice(std::int64_t sample) const { return choose_views(seed_, sample, training_, config_); }
  const std::vector<SceneViews>& training() const { return training_; }

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
  void note_lost(std::int64_t scene) const;
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

  const ViewSource& source_;
  DataConfig config_;
  std::uint64_t seed_;
  Device& device_;
  std::vector<bool> seen_;
  std::vector<SceneViews> training_;
  std::unique_ptr<Stream> sending_;  // beside the computing; none where batches lie in the host's memory
  std::optional<Sent> sent_;         // taken and not yet given

  mutable std::mutex lost_mutex_;
  mutable std::set<std::int64_t> lost_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  Plan plan_;
  std::int64_t begun_ = 0, taken_ = 0, given_ = 0;  // places: those given to the caller are behind those taken
  std::int64_t round_ = 0;                          // ends when the plan changes
  std::map<std::int64_t, Prepared> ready_;          // by place
  std::vector<std::jthread> workers_;
};

}  // namespace lact
