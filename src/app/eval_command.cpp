#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "files/json.hpp"
#include "train/run_on_data.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

struct Evaluated {
  std::string run;
  std::int64_t step = 0;
  Evaluation evaluation;
};

Evaluated evaluated(const std::string& run, const std::vector<std::string>& overrides) {
  const auto [cfg, data] = run_on_data(run, overrides);
  Evaluated e;
  e.run = run;
  LoadedModel loaded(cfg);
  const auto evaluator = data->evaluator(*loaded.model);
  const std::string why_none = evaluator->why_none();
  check(why_none.empty(), "{}: {}, so there is nothing to evaluate; {}", run, why_none, evaluator->mend());
  e.step = load_newest(run, loaded).step;
  check(e.step >= 0, "{}: has no checkpoint yet", run);
  Ctx c = loaded.context();
  e.evaluation = evaluator->evaluate(c);
  data->tell_damage(nullptr, loaded.mesh->world());
  check(!e.evaluation.values.empty(), "{}: {}", run, e.evaluation.why_empty);
  return e;
}

const Evaluation::Comparison& comparison_of(const Evaluated& e) {
  check(e.evaluation.comparison.has_value(), "{}: {}", e.run, e.evaluation.why_no_comparison);
  return *e.evaluation.comparison;
}

Json as_json(const Evaluated& e) {
  Json out = Json::object({{"run", e.run}, {"step", e.step}});
  for (const auto& [name, value] : e.evaluation.values) out.set(name, value);
  for (const auto& [name, value] : e.evaluation.details.members()) out.set(name, value);
  return out;
}

}  // namespace

int eval_command(Arguments args, double above_baselines, bool json) {
  std::vector<Evaluated> all;
  for (const std::string& run : args.plain) all.push_back(evaluated(run, args.overrides));
  if (json) {
    Json runs = Json::array();
    for (const Evaluated& e : all) runs.push(as_json(e));
    Json out = as_json(all[0]);
    if (all.size() > 1) out.set("runs", runs);
    std::cout << out.dump() << "\n";
  } else {
    for (const Evaluated& e : all) std::cout << fill("{} at step {}\n", {e.run, e.step}) << e.evaluation.table;
    if (all.size() > 1)
      for (const Evaluated& e : all) std::cout << fill("{:<40} {}\n", {e.run, comparison_of(e).line});
  }
  if (above_baselines <= 0) return exit_done;
  bool enough = true;
  for (const Evaluated& e : all) {
    const Evaluation::Comparison& c = comparison_of(e);
    if (!json) std::cout << fill("{}: {} ({:.2f} {} asked)\n", {e.run, c.baseline, above_baselines, c.unit});
    enough = enough && c.above_baseline >= above_baselines;
  }
  return enough ? exit_done : exit_error;
}

}  // namespace lact
