#include "verify/run_differences.hpp"

#include <cmath>
#include <limits>

#include "base/check.hpp"
#include "files/hdf5.hpp"
#include "run/checkpoint.hpp"
#include "run/report.hpp"

namespace lact {
namespace {

constexpr double of_a_step = 0.1;  // by which a step along a clear gradient may differ

// Rows of one kind of a run's metrics.jsonl: those of steps have a loss, those of evaluations do not.
std::vector<Json> rows_of(const std::string& run, Range steps, bool evaluations) {
  std::vector<Json> rows;
  each_row(run, [&](const Json& row, std::string_view) {
    const std::int64_t step = row["step"].integer();
    if (row.has("loss") != evaluations && step > steps.begin && step <= steps.end) rows.push_back(row);
  });
  return rows;
}

double largest_of(const std::vector<double>& v) {
  double largest = 0;
  for (double x : v) largest = std::max(largest, std::abs(x));
  return largest;
}

class Weights {  // numbers by name of one checkpoint
 public:
  explicit Weights(const std::string& path) : file_(Hdf5File::open(path)), device_(Device::open(Backend::cpu)) {}
  std::vector<double> operator()(const std::string& name) const { return file_.get(name, *device_).to_doubles(); }

 private:
  Hdf5File file_;
  std::unique_ptr<Device> device_;
};

struct Apart {  // in units of the steps made
  double clear = 0, unclear = 0;
};
Apart apart(const std::vector<double>& a, const std::vector<double>& b, const std::vector<double>& gradient,
            double clear_above, const RunLeg& leg) {
  Apart worst;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double rounding = double(leg.steps.end) * std::numeric_limits<float>::epsilon() * std::abs(b[i]),
                 d = std::abs(a[i] - b[i]), beyond = d <= rounding ? 0 : d - rounding;
    const double units = beyond == 0 ? 0 : beyond / leg.rates;  // without any rate nothing moves
    double& of_kind = std::abs(gradient[i]) > clear_above ? worst.clear : worst.unclear;
    of_kind = worse(of_kind, units);
  }
  return worst;
}

}  // namespace

std::vector<RunDifference> loss_differences(const std::string& run, const std::string& reference, const RunLeg& leg,
                                            const RunBounds& bounds) {
  const std::vector<Json> got = rows_of(run, leg.steps, false), want = rows_of(reference, leg.steps, false);
  check(got.size() == want.size(), "{}: {} rows of steps {} to {}, where the reference has {}", run, got.size(),
        leg.steps.begin + 1, leg.steps.end, want.size());
  std::vector<RunDifference> out;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double a = got[i]["loss"].number(), b = want[i]["loss"].number();
    out.push_back({sentence("loss of step {}", got[i]["step"].integer()),
                   a == b ? 0 : std::abs(a - b) / std::max(std::abs(b), 1e-30), bounds.loss});
  }
  return out;
}

std::vector<RunDifference> evaluation_differences(const std::string& run, const std::string& reference,
                                                  const RunLeg& leg, const RunBounds& bounds) {
  const Range last{leg.steps.end - 1, leg.steps.end};
  const std::vector<Json> got = rows_of(run, last, true), want = rows_of(reference, last, true);
  check(got.size() == want.size(), "{}: {} evaluations of step {}, where the reference has {}", run, got.size(),
        leg.steps.end, want.size());
  std::vector<RunDifference> out;
  for (std::size_t i = 0; i < got.size(); ++i)
    for (const auto& [name, value] : want[i].members()) {
      if (!name.starts_with("eval_")) continue;
      const double a = got[i].has(name) ? got[i][name].number() : std::nan(""), b = value.number();
      out.push_back({sentence("evaluation of step {}: {}", leg.steps.end, name),
                     std::abs(a - b) / std::max(std::abs(b), 1.0), bounds.evaluation});
    }
  return out;
}

std::vector<RunDifference> checkpoint_differences(const RunConfig& cfg, const std::string& run,
                                                  const std::string& reference, const RunLeg& leg,
                                                  const RunBounds& bounds) {
  const std::string got = checkpoint_path(run, leg.steps.end), want = checkpoint_path(reference, leg.steps.end);
  const std::string of_step = sentence("checkpoint of step {}: ", leg.steps.end);
  const TrainState a = checkpoint_state(got), b = checkpoint_state(want);
  std::vector<RunDifference> out;
  out.push_back({of_step + "next sample", double(std::abs(a.sample - b.sample)), 0});
  out.push_back({of_step + "updates made", double(std::abs(a.optimizer_steps - b.optimizer_steps)), 0});
  const Weights mine(got), theirs(want), gradients(leg.gradients);
  ParameterStore names;
  const auto model = cfg.task->make_model(names, CpMode::tokens);
  for (const Parameter& p : names.parameters()) {
    if (bounds.bits) {
      for (const std::string kind : {"value/", "first/", "second/"})
        out.push_back({of_step + kind + p.name, mine(kind + p.name) == theirs(kind + p.name) ? 0.0 : 1.0, 0});
      continue;
    }
    const auto g = gradients("first/" + p.name);
    const Apart d = apart(mine("value/" + p.name), theirs("value/" + p.name), g,
                          10 * bounds.gradient.at(p.name) * largest_of(g), leg);
    out.push_back({of_step + p.name + ", along clear gradients", d.clear, of_a_step});
    out.push_back({of_step + p.name, d.unclear, 2 * std::sqrt(double(leg.steps.end))});
  }
  return out;
}

}  // namespace lact
