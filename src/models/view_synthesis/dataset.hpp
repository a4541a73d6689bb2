// Posed photographs, or generated ones, as the data of a run.
#pragma once
#include "data/views/open_views.hpp"
#include "data/views/view_samples.hpp"
#include "models/task.hpp"
#include "models/view_synthesis/damage.hpp"

namespace lact {

class ViewDataset final : public Dataset {
 public:
  ViewDataset(const DataConfig& config, std::shared_ptr<const WatchedViews> source)
      : config_(config), source_(std::move(source)) {}
  // As judge_run() left it.
  const DataConfig& config() const { return config_; }
  const std::shared_ptr<const WatchedViews>& source() const { return source_; }

  std::string text() const override;
  std::unique_ptr<Samples> samples(std::uint64_t seed, const Model& model, const Mesh& mesh) const override;
  std::unique_ptr<Evaluator> evaluator(Model& model) const override;
  void tell_damage(const Samples* samples, Communicator& world) override;
  void refuse_damage(Communicator& world) const override;
  void check_same(const std::string& run_dir, const Path& before, bool has_steps) const override;
  void write_record(const std::string& run_dir, bool has_steps) const override;  // views.json
  void judge_run(const std::string& run_folder, const std::vector<std::string>& told_keys) override;

 private:
  DataConfig config_;
  std::shared_ptr<const WatchedViews> source_;
  DamageReport damaged_pictures_, damaged_scenes_{"other scenes stand in for it"};
};

}  // namespace lact
