#include "app/sweep_results.hpp"

#include <algorithm>
#include <map>

#include "base/check.hpp"
#include "base/median.hpp"
#include "run/chart.hpp"
#include "run/report.hpp"

namespace lact {
namespace {

constexpr std::size_t points_of_curve = 200;
constexpr double range_of_logarithms = 8;  // a key whose values reach so far is shown by doublings

std::vector<std::string> names_of_values(const std::vector<SweepResult>& all) {
  std::vector<std::string> names;
  for (const SweepResult& r : all)
    for (const auto& [name, value] : r.evaluation)
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  return names;
}

// "lr=1e-3, seed=0" without one of the keys; keys.size() leaves out none.
std::string text_of(const Combination& c, const std::vector<SweptKey>& keys, std::size_t without) {
  std::string text;
  for (std::size_t k = 0; k < keys.size(); ++k)
    if (k != without) text += (text.empty() ? "" : ", ") + short_name(keys, k) + "=" + c.values[k];
  return text;
}

// keys.size() where there is none, or more than one.
std::size_t key_of_axis(const std::vector<SweptKey>& keys) {
  std::size_t found = keys.size();
  for (std::size_t k = 0; k < keys.size(); ++k) {
    if (!keys[k].numeric() || keys[k].key == "train.seed") continue;
    if (found != keys.size()) return keys.size();
    found = k;
  }
  return found;
}

Chart against_key(const std::vector<SweepResult>& all, const std::vector<SweptKey>& keys, std::size_t key) {
  const bool judged = std::ranges::all_of(all, [](const SweepResult& r) { return !r.evaluation.empty(); });
  const std::string what = judged ? all[0].evaluation[0].first : "loss, mean of the last tenth";
  Chart chart{what + " by " + keys[key].key, {keys[key].key}, {what}, {}};
  std::map<std::string, std::vector<Point>> curves;
  double least = 1e300, most = 0;
  for (const SweepResult& r : all) {
    const double x = std::stod(r.of.values[key]);
    least = std::min(least, x), most = std::max(most, x);
    curves[text_of(r.of, keys, key)].emplace_back(x, judged ? r.evaluation[0].second : r.loss);
  }
  chart.x.log2 = least > 0 && most >= range_of_logarithms * least;
  for (auto& [name, points] : curves) {
    std::ranges::sort(points);
    Curve& curve = chart.curves.emplace_back(Curve{name.empty() ? what : name, {}, {}});
    for (const auto& [x, y] : points) curve.x.push_back(x), curve.y.push_back(y);
  }
  return chart;
}

}  // namespace

SweepResult result_of(const Combination& of, const std::string& folder) {
  SweepResult r{.of = of};
  std::vector<double> rates;
  each_row(folder, [&](const Json& row, std::string_view) {
    const auto step = double(row["step"].integer());
    if (row.has("loss")) {
      if (row["loss"].is_number()) r.losses.x.push_back(step), r.losses.y.push_back(row["loss"].number());
      r.steps = row["step"].integer(), r.seconds += row["seconds"].number();
      rates.push_back(row["tokens_per_second"].number());
      return;
    }
    r.evaluation.clear();
    for (const auto& [name, value] : row.members())
      if (name.starts_with("eval_") && value.is_number()) r.evaluation.emplace_back(name, value.number());
    if (!r.evaluation.empty()) r.judged.x.push_back(step), r.judged.y.push_back(r.evaluation[0].second);
  });
  check(!r.losses.y.empty(), "{}: its report has no loss", folder);
  r.tokens_per_second = upper_median(rates);
  const std::size_t n = r.losses.y.size(), last = (n + 9) / 10;
  for (std::size_t i = n - last; i < n; ++i) r.loss += r.losses.y[i] / double(last);
  return r;
}

Json json_of(const SweepResult& r, const std::vector<SweptKey>& keys) {
  Json values = Json::object();
  for (std::size_t k = 0; k < keys.size(); ++k) values.set(keys[k].key, r.of.values[k]);
  Json out = Json::object({{"name", r.of.name}, {"keys", values}, {"ok", r.why.empty()}});
  if (!r.why.empty()) return out.set("why", r.why);
  out.set("steps", r.steps).set("loss", r.loss);
  for (const auto& [name, value] : r.evaluation) out.set(name, value);
  return out.set("tokens_per_second", r.tokens_per_second).set("parameters", r.parameters).set("seconds", r.seconds);
}

std::vector<std::vector<std::string>> rows_of(const std::vector<SweepResult>& all, const std::vector<SweptKey>& keys) {
  std::vector<std::vector<std::string>> rows(1);
  const std::vector<std::string> names = names_of_values(all);
  for (std::size_t k = 0; k < keys.size(); ++k) rows[0].push_back(short_name(keys, k));
  rows[0].insert(rows[0].end(), {"steps", "loss"});
  rows[0].insert(rows[0].end(), names.begin(), names.end());
  rows[0].insert(rows[0].end(), {"tokens/s", "parameters", "seconds"});
  for (const SweepResult& r : all) {
    std::vector<std::string>& row = rows.emplace_back(r.of.values);
    if (!r.why.empty()) {
      row.emplace_back("failed");
      continue;
    }
    row.insert(row.end(), {std::to_string(r.steps), fill("{:.4f}", {r.loss})});
    for (const std::string& name : names) {
      const auto it = std::ranges::find(r.evaluation, name, &NamedValues::value_type::first);
      row.push_back(it == r.evaluation.end() ? "" : fill("{:.4f}", {it->second}));
    }
    row.insert(row.end(),
               {fill("{:.0f}", {r.tokens_per_second}), std::to_string(r.parameters), fill("{:.1f}", {r.seconds})});
  }
  return rows;
}

std::vector<Chart> charts_of(const std::vector<SweepResult>& all, const std::vector<SweptKey>& keys) {
  std::vector<SweepResult> good;
  std::ranges::copy_if(all, std::back_inserter(good), [](const SweepResult& r) { return r.why.empty(); });
  if (good.empty()) return {};
  Chart losses{"loss in training", {"steps"}, {"loss"}, {}};
  Chart judged{"", {"steps"}, {}, {}};
  for (const SweepResult& r : good) {
    const std::string name = text_of(r.of, keys, keys.size());
    losses.curves.push_back(thinned({name, r.losses.x, r.losses.y}, points_of_curve));
    if (r.judged.x.size() > 1) judged.curves.push_back({name, r.judged.x, r.judged.y});
    if (judged.title.empty() && !r.evaluation.empty()) judged.title = judged.y.label = r.evaluation[0].first;
  }
  std::vector<Chart> charts{losses};
  if (!judged.curves.empty()) charts.push_back(judged);
  if (const std::size_t key = key_of_axis(keys); key < keys.size()) charts.push_back(against_key(good, keys, key));
  return charts;
}

}  // namespace lact
