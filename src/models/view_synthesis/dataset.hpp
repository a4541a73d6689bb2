// Posed photographs, or generated ones, as the data of a run.
#pragma once
#include "data/views/open_views.hpp"
#include "data/views/view_samples.hpp"
#include "models/task.hpp"
#include "models/view_synthesis/damage.hpp"

namespace lact {

class ViewDataset final : public Dataset {
 public:
  explicit ViewDataset(const DataConfig& config, bool looks = true)
      : config_(config), source_(open_views(config, looks)) {}
  ViewDataset(const DataConfig& config, std::unique_ptr<WatchedViews> source)
      : config_(config), source_(std::move(source)) {}
  // As judge_run() left it.
  const DataConfig& config() const { return config_; }
  const WatchedViews& source() const { return *source_; }

  std::string text() const override;
  std::unique_ptr<Samples> samples(std::uint64_t seed, const Model& model, const Mesh& mesh) const override;
  std::unique_ptr<Evaluator> evaluator(Model& model) const override;
  void tell_damage(const Samples* samples, Communicator& world) override;
  void refuse_damage(Communicator& world) const override;
  void check_same(const RunPlace& run) const override;
  void write_record(const RunPlace& run) const override;  // views.json
  void judge_run(const std::string& run_folder, const std::vector<std::string>& told_keys) override;

 private:
  DataConfig config_;
  std::unique_ptr<WatchedViews> source_;
  DamageReport damaged_pictures_, damaged_scenes_{"other scenes stand in for it"};
};

}  // namespace lact
