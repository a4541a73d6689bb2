// The task view_synthesis: LaCTLVSM on posed photographs, judged by held-out views.
#pragma once
#include "data/views/config.hpp"
#include "models/task.hpp"
#include "models/view_synthesis/model.hpp"

namespace lact {

class ViewSynthesisTask final : public Task {
 public:
  static constexpr const char* task_name = "view_synthesis";
  ViewSynthesisConfig model;
  DataConfig data;

  std::string name() const override { return task_name; }
  std::unique_ptr<Task> clone() const override { return std::make_unique<ViewSynthesisTask>(*this); }

  void model_fields(Fields& f) override { model.fields(f); }
  void data_fields(Fields& f) override { data.fields(f); }
  void check_values() const override;
  void reset_model() override { model = {}; }
  void complete() override;
  std::string help_of_lists() const override;
  const Path& data_path() const override { return data.path; }
  void set_data_path(const Path& path) override { data.path = path; }
  std::int64_t data_threads() const override { return data.threads; }
  bool may_change(const std::string& key) const override;
  std::vector<std::string> keys_of_scaled_samples(std::int64_t times, std::int64_t parts) const override;

  Costs costs(std::int64_t samples) const override;
  Batch blank_batch(Device& d, std::int64_t samples) const override;
  Batch noise_batch(Device& d, std::int64_t samples) const override;
  std::string memory_of_samples(std::int64_t samples) const override;

  std::unique_ptr<Model> make_model(ParameterStore& store, CpMode mode) const override;
  std::unique_ptr<Dataset> open_data(bool looks) const override;
  std::unique_ptr<Dataset> share_data(const Dataset& open) const override;
  NamedValues values_of_loss(double loss) const override;
  std::string text_of_loss(double loss) const override;
};

}  // namespace lact
