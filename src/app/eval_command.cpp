#include <algorithm>
#include <iostream>
#include <map>

#include "app/commands.hpp"
#include "app/table.hpp"
#include "base/check.hpp"
#include "files/json.hpp"
#include "run/chart.hpp"
#include "train/run_on_data.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

struct Evaluated {
  std::string run;
  std::int64_t step = 0, parameters = 0, state = 0;  // of a layer and a sample, in numbers
  double flops_of_token = 0;                         // forward
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
  const Costs costs = cfg.task->costs(1);
  e.parameters = loaded.store.count(), e.state = costs.state, e.flops_of_token = costs.flops_of_token();
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
  if (!e.evaluation.charts.empty())
    out.set("parameters", e.parameters).set("state", e.state).set("flops_of_token", e.flops_of_token);
  for (const auto& [name, value] : e.evaluation.values) out.set(name, value);
  for (const auto& [name, value] : e.evaluation.details.members()) out.set(name, value);
  return out;
}

using Row = std::vector<std::string>;

// The values of all runs, a row each; of what a run lacks nothing.
std::vector<Row> rows_of_values(const std::vector<Evaluated>& all) {
  std::vector<std::string> names;
  for (const Evaluated& e : all)
    for (const auto& [name, value] : e.evaluation.values)
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  std::vector<Row> rows;
  for (const std::string& name : names) {
    rows.push_back({name});
    for (const Evaluated& e : all) {
      std::string cell;
      for (const auto& [n, value] : e.evaluation.values)
        if (n == name) cell = fill("{:.4f}", {value});
      rows.back().push_back(cell);
    }
  }
  return rows;
}

// A row of each place at which a curve of that name has a point in any run.
void add_curve(std::vector<Row>& rows, const std::vector<Evaluated>& all, const std::string& title,
               const std::string& name) {
  std::map<double, Row> by_place;
  for (std::size_t i = 0; i < all.size(); ++i)
    for (const Chart& c : all[i].evaluation.charts)
      for (const Curve& curve : c.curves)
        for (std::size_t p = 0; c.title == title && curve.name == name && p < curve.x.size(); ++p) {
          Row& row = by_place[curve.x[p]];
          row.resize(all.size());
          row[i] = fill("{:.4g}", {curve.y[p]});
        }
  for (const auto& [place, cells] : by_place) {
    rows.push_back({fill("  {:.7g}", {place})});
    rows.back().insert(rows.back().end(), cells.begin(), cells.end());
  }
}

std::vector<Row> rows_of_curves(const std::vector<Evaluated>& all) {
  std::vector<std::pair<std::string, std::string>> seen;
  std::vector<Row> rows;
  for (const Evaluated& e : all)
    for (const Chart& c : e.evaluation.charts)
      for (const Curve& curve : c.curves) {
        if (std::ranges::find(seen, std::pair(c.title, curve.name)) != seen.end()) continue;
        seen.emplace_back(c.title, curve.name);
        rows.push_back({c.curves.size() == 1 ? fill("{}: {}; {}", {c.title, c.y.label, c.x.label})
                                             : fill("{}, {}: {}; {}", {c.title, curve.name, c.y.label, c.x.label})});
        add_curve(rows, all, c.title, curve.name);
      }
  return rows;
}

// A column per run.
std::string side_by_side(const std::vector<Evaluated>& all) {
  std::vector<Row> rows{
      {""}, {"step"}, {"parameters"}, {"state per layer and sample, numbers"}, {"forward MFLOP per token"}};
  for (const Evaluated& e : all) {
    rows[0].push_back(e.run), rows[1].push_back(std::to_string(e.step));
    rows[2].push_back(std::to_string(e.parameters)), rows[3].push_back(std::to_string(e.state));
    rows[4].push_back(fill("{:.4g}", {e.flops_of_token / 1e6}));
  }
  for (const auto& more : {rows_of_values(all), rows_of_curves(all)}) rows.insert(rows.end(), more.begin(), more.end());
  return aligned(rows);
}

std::vector<Chart> charts_of(const std::vector<Evaluated>& all) {
  if (all.size() == 1) return all[0].evaluation.charts;
  std::vector<Chart> charts;
  for (const Evaluated& e : all) lay_over(charts, e.evaluation.charts, e.run);
  return charts;
}

void print(const std::vector<Evaluated>& all) {
  const bool compares =
      all.size() > 1 && std::ranges::all_of(all, [](const Evaluated& e) { return !e.evaluation.charts.empty(); });
  if (compares) std::cout << side_by_side(all);
  for (const Evaluated& e : all)
    if (!compares) std::cout << fill("{} at step {}\n", {e.run, e.step}) << e.evaluation.table;
  if (all.size() > 1)
    for (const Evaluated& e : all) std::cout << fill("{:<40} {}\n", {e.run, comparison_of(e).line});
}

}  // namespace

std::string eval_keys() {
  Fields keys;
  std::string picture;
  keys("picture", picture, "OUT.svg: the curves of all runs over one another, and OUT.png beside it");
  return describe(keys);
}

int eval_command(Arguments args, double above_baselines, bool json) {
  const std::string picture = args.take_path("picture");
  if (!picture.empty()) check_picture_path(picture);
  std::vector<Evaluated> all;
  for (const std::string& run : args.plain) all.push_back(evaluated(run, args.overrides));
  if (!picture.empty()) {
    const std::vector<Chart> charts = charts_of(all);
    check(!charts.empty(), "picture={}: no evaluation of {} has a curve", picture, all[0].run);
    write_picture(picture, charts);
  }
  if (json) {
    Json runs = Json::array();
    for (const Evaluated& e : all) runs.push(as_json(e));
    Json out = as_json(all[0]);
    if (all.size() > 1) out.set("runs", runs);
    std::cout << out.dump() << "\n";
  } else {
    print(all);
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
