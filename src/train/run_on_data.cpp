#include "train/run_on_data.hpp"

#include "train/run_folder.hpp"

namespace lact {

RunOnData run_on_data(const std::string& run_folder, const std::vector<std::string>& overrides) {
  RunConfig cfg = config_of_run(run_folder, overrides);
  if (cfg.task->data_path().place() == config_of_run(run_folder).task->data_path().place()) {
    auto data = open_data_of_run(cfg);
    return {std::move(cfg), std::move(data)};
  }
  auto data = cfg.task->open_data(true);
  std::vector<std::string> told_keys;
  for (const std::string& o : overrides) told_keys.push_back(o.substr(0, o.find('=')));
  data->judge_run(run_folder, told_keys);
  return {std::move(cfg), std::move(data)};
}

}  // namespace lact
