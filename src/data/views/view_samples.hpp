// Training samples of posed views: which views each holds, and what stands in for damaged pictures.
#pragma once
#include <mutex>
#include <set>

#include "data/sample.hpp"
#include "data/views/view_sample.hpp"

namespace lact {

class ViewSamples : public Samples {
 public:
  // The source outlives the samples. A scene without enough views to train on is an error here. `seen`: per view of a
  // sample, inputs first, whether anyone here looks at it; others are not read, their pictures and intrinsics are
  // zeros. All are seen where nothing is said. With data.damaged=skip other training views of the scene stand in for
  // those whose picture is damaged, and other scenes for one that has none left.
  ViewSamples(const ViewSource& source, DataConfig config, std::uint64_t seed, std::vector<bool> seen = {});

  Sample read(std::int64_t number, const std::stop_token& stop) const override;
  double valid(Range numbers) const override;
  FileWork reading() const override;
  std::vector<std::string> replaced() const override;

  ViewChoice choice(std::int64_t number) const { return choose_views(seed_, number, training_, config_); }
  const std::vector<SceneViews>& training() const { return training_; }

 private:
  ViewSample read_views(std::int64_t number, const std::stop_token& stop) const;
  void note_lost(std::int64_t scene) const;

  const ViewSource& source_;
  DataConfig config_;
  std::uint64_t seed_;
  std::vector<bool> seen_;
  std::vector<SceneViews> training_;
  mutable std::mutex lost_mutex_;
  mutable std::set<std::int64_t> lost_;
};

}  // namespace lact
