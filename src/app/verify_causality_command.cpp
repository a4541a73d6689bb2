#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "files/json.hpp"
#include "models/language/causality.hpp"
#include "models/language/task.hpp"
#include "train/trainer.hpp"

namespace lact {

int verify_causality_command(const Arguments& args, bool json) {
  const RunConfig cfg = RunConfig::load(args.plain[0], args.overrides);
  check(cfg.task_name == LanguageTask::task_name, "{}: causality is a property of text models, and task={} has none",
        args.plain[0], cfg.task_name);
  const auto& task = cfg.task.as<LanguageTask>();
  const std::int64_t context = task.data.context, vocabulary = task.model.vocab_size;
  check(context > 1, "data.context={} leaves nothing to cut", context);
  LoadedModel loaded(cfg);
  const OutputsOfTokens outputs = outputs_of(dynamic_cast<LanguageModel&>(*loaded.model), loaded.context());
  const Tensor tokens = tokens_to_cut(*loaded.device, context, vocabulary);
  std::int64_t failed = 0;
  Json rows = Json::array();
  if (!json)
    std::cout << fill("{}, {} tokens: outputs that move when all tokens from a cut on are others\n",
                      {task.model.model_type, context})
              << fill("{:>10} {:>14} {:>14} {:>12}  {}\n", {"cut", "before it", "behind it", "first moved", "result"});
  for (const CutPoint& p : cut_at(outputs, tokens, cuts_of(task.model, context), vocabulary)) {
    failed += !p.ok();
    rows.push(Json::object(
        {{"cut", p.token}, {"before", p.before}, {"behind", p.behind}, {"first_moved", p.first}, {"ok", p.ok()}}));
    const char* result = p.leaks() ? "LEAKS" : p.shows() ? "ok" : "SHOWS NOTHING";
    if (!json)
      std::cout << fill("{:>10} {:>14.3g} {:>14.3g} {:>12}  {}\n", {p.token, p.before, p.behind, p.first, result});
  }
  if (json)
    std::cout << Json::object(
                     {{"model_type", task.model.model_type}, {"tokens", context}, {"failed", failed}, {"rows", rows}})
                     .dump()
              << "\n";
  else
    std::cout << fill("{} cuts, {} failed, on {}\n", {rows.size(), failed, loaded.device->name()});
  return failed == 0 ? exit_done : exit_error;
}

}  // namespace lact
