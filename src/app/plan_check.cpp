#include <algorithm>
#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "base/median.hpp"
#include "measure/plan.hpp"
#include "run/report.hpp"
#include "train/layout.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

struct Measured {
  std::int64_t ranks = 1;
  double seconds = 0;  // median step
  double memory_bytes = 0, collectives = 0, sent_bytes = 0;
};

// Of the steps since the number of ranks last changed, without the first two, which warm up, where there are more.
Measured measured_in(const std::string& run) {
  std::vector<Json> steps;
  auto ranks_of = [](const Json& row) { return row.has("ranks") ? row["ranks"].integer() : 1; };
  each_row(run, [&](const Json& row, std::string_view) {
    if (!row.has("seconds")) return;
    if (!steps.empty() && ranks_of(row) != ranks_of(steps.back())) steps.clear();
    steps.push_back(row);
  });
  check(!steps.empty(), "{}: its report has no step by which a plan could be judged", run);
  const std::size_t warm_up = std::min<std::size_t>(2, steps.size() - 1);
  std::vector<double> seconds;
  for (std::size_t i = warm_up; i < steps.size(); ++i) seconds.push_back(steps[i]["seconds"].number());
  const Json& last = steps.back();
  Measured m{ranks_of(last), upper_median(std::move(seconds)), last["memory_bytes"].number()};
  if (m.ranks > 1) m.collectives = last["collectives"].number(), m.sent_bytes = last["sent_bytes"].number();
  return m;
}

struct Row {
  const char* what;
  double planned, measured;
};

}  // namespace

int plan_check_command(Arguments args, bool json) {
  const std::string path = args.take_path("machine", "here"), &run = args.plain.at(0);
  const RunConfig cfg = config_of_run(run, args.overrides);
  const Measured m = measured_in(run);
  const Machine machine = machine_named(path, cfg, int(m.ranks));
  const Grid grid = layout_of(cfg, int(m.ranks));
  const PlannedRank first = plan_rank(cfg, grid, 0, machine);
  Traffic::Row exchanged;
  for (const auto& [label, line] : first.lines) exchanged += line.traffic.total();
  const std::vector<Row> rows{{"seconds of a step", plan_layout(cfg, grid, machine).seconds, m.seconds},
                              {"memory of rank 0, bytes", first.memory.total(), m.memory_bytes},
                              {"collectives of rank 0", double(exchanged.calls), m.collectives},
                              {"sent by rank 0, bytes", double(exchanged.bytes), m.sent_bytes}};
  Json list = Json::array();
  for (const Row& r : rows)
    list.push(Json::object({{"what", r.what}, {"planned", r.planned}, {"measured", r.measured}}));
  if (json) {
    std::cout
        << Json::object({{"run", run}, {"machine", machine.name}, {"layout", text_of(grid)}, {"rows", list}}).dump()
        << "\n";
    return exit_done;
  }
  std::cout << fill("{}: {} on {}\n{:<26} {:>14} {:>14} {:>8}\n",
                    {run, text_of(grid), machine.name, "", "planned", "measured", "ratio"});
  for (const Row& r : rows)
    std::cout << fill("{:<26} {:>14.6g} {:>14.6g} {:>8.3f}\n",
                      {r.what, r.planned, r.measured, r.measured == 0 && r.planned == 0 ? 1 : r.planned / r.measured});
  return exit_done;
}

}  // namespace lact
