// The task language: text, token by token, judged by what is held out of it.
#pragma once
#include "data/text/config.hpp"
#include "models/language/model.hpp"
#include "models/task.hpp"

namespace lact {

class LanguageTask final : public Task {
 public:
  static constexpr const char* task_name = "language";
  LanguageConfig model;
  TextConfig data;
  std::int64_t eval_samples = 32;
  std::vector<std::int64_t> needle;

  std::string name() const override { return task_name; }
  std::unique_ptr<Task> clone() const override { return std::make_unique<LanguageTask>(*this); }

  void model_fields(Fields& f) override { model.fields(f); }
  void data_fields(Fields& f) override;
  void check_values() const override;
  void reset_model() override { model = {}; }
  const Path& data_path() const override { return data.path; }
  void set_data_path(const Path& path) override { data.path = path; }
  std::int64_t data_threads() const override { return data.threads; }
  bool may_change(const std::string& key) const override;
  std::vector<std::string> keys_of_scaled_samples(std::int64_t times, std::int64_t parts) const override;

  Costs costs(std::int64_t samples) const override { return costs_of(model, samples, data.context); }
  Batch blank_batch(Device& d, std::int64_t samples) const override;
  Batch noise_batch(Device& d, std::int64_t samples) const override;
  std::string memory_of_samples(std::int64_t samples) const override;

  std::unique_ptr<Model> make_model(ParameterStore& store, CpMode mode) const override;
  std::unique_ptr<Dataset> open_data(bool looks) const override;
  NamedValues values_of_loss(double loss) const override;
  std::string text_of_loss(double loss) const override;
};

}  // namespace lact
