#include "measure/profile_report.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "base/check.hpp"
#include "parallel/together.hpp"
#include "parallel/world.hpp"

namespace lact {
namespace {

Json list_of(const std::vector<double>& x) {
  Json list = Json::array();
  for (double v : x) list.push(v);
  return list;
}

double quantile(std::vector<double> x, double q) {
  std::ranges::sort(x);
  const double at = q * double(x.size() - 1);
  const auto low = std::size_t(at);
  const std::size_t high = std::min(low + 1, x.size() - 1);
  return x[low] + (x[high] - x[low]) * (at - double(low));
}

Json spread_of(const std::vector<double>& x) {
  return Json::object({{"median", quantile(x, 0.5)},
                       {"low", quantile(x, 0.25)},
                       {"high", quantile(x, 0.75)},
                       {"least", quantile(x, 0)},
                       {"most", quantile(x, 1)},
                       {"all", list_of(x)}});
}

using Ranks = std::vector<Json>;
using Of = std::function<double(const Json& rank)>;

std::vector<double> over(const Ranks& ranks, const Of& of) {
  std::vector<double> x;
  for (const Json& r : ranks) x.push_back(of(r));
  return x;
}
double slowest(const Ranks& ranks, const Of& of) { return std::ranges::max(over(ranks, of)); }

// Of each step the slowest rank's seconds.
std::vector<double> steps(const Ranks& ranks, const std::string& key) {
  std::vector<double> x;
  for (std::int64_t i = 0; i < ranks.front()[key].size(); ++i)
    x.push_back(slowest(ranks, [&](const Json& r) { return r[key].at(i).number(); }));
  return x;
}

double median_of(const Json& list) {
  std::vector<double> x;
  for (const Json& v : list.items()) x.push_back(v.number());
  return quantile(x, 0.5);
}

std::vector<double> excess(const std::vector<double>& x, const std::vector<double>& base) {
  std::vector<double> out;
  for (std::size_t i = 0; i < base.size(); ++i) out.push_back(x[i] / base[i] - 1);
  return out;
}

// While numbers move; where another thread or device moves them, from the beginning of a call until it was waited for.
double bytes_per_second(const Traffic::Row& r) {
  const double seconds = r.moving_seconds > 0 ? r.moving_seconds : r.flight_seconds;
  return seconds > 0 ? double(r.bytes) / seconds : 0;
}

Json row_of(const std::string& name, const Traffic::Row& r) {
  return Json::object({{"op", name},
                       {"calls", r.calls},
                       {"bytes", r.bytes},
                       {"seconds", r.flight_seconds},
                       {"begin_seconds", r.begin_seconds},
                       {"wait_seconds", r.wait_seconds},
                       {"exposed_seconds", r.blocked_seconds()},
                       {"moving_seconds", r.moving_seconds},
                       {"bytes_per_second", bytes_per_second(r)}});
}

Json line_json(const std::string& label, const RankProfile::Line& line) {
  Json ops = Json::array();
  for (std::size_t op = 0; op < op_kinds; ++op)
    if (line.traffic.rows[op].calls > 0) ops.push(row_of(name_of(Op(op)), line.traffic.rows[op]));
  return Json::object({{"axis", label},
                       {"ranks", line.ranks},
                       {"transport", line.transport},
                       {"total", row_of("all", line.traffic.total())},
                       {"ops", ops}});
}

Json memory_json(const MemoryByKind& m) {
  return Json::object({{"weights", m.weights},
                       {"gradients", m.gradients},
                       {"optimizer", m.optimizer},
                       {"activations", m.activations},
                       {"working", m.working},
                       {"loader", m.loader}});
}

const Json* line_of(const Json& rank, const std::string& axis, std::vector<Json>& keep) {
  keep = rank["lines"].items();
  const auto it = std::ranges::find_if(keep, [&](const Json& l) { return l["axis"].text() == axis; });
  return it == keep.end() ? nullptr : &*it;
}

// Each axis once; ranks of other stages may call other things along it.
Json axes_json(const Ranks& ranks, double step) {
  std::vector<std::string> axes;
  for (const Json& r : ranks)
    for (const Json& l : r["lines"].items())
      if (std::ranges::find(axes, l["axis"].text()) == axes.end()) axes.push_back(l["axis"].text());
  Json out = Json::array();
  for (const std::string& axis : axes) {
    std::vector<Json> keep;
    const Of exposed = [&](const Json& r) {
      const Json* l = line_of(r, axis, keep);
      return l ? (*l)["total"]["exposed_seconds"].number() : 0;
    };
    const auto most = std::ranges::max_element(ranks, {}, exposed);
    const Json line = *line_of(*most, axis, keep);  // of the rank that this axis holds up longest
    const double median = quantile(over(ranks, exposed), 0.5), longest = exposed(*most);
    out.push(Json::object({{"axis", axis},
                           {"ranks", line["ranks"]},
                           {"transport", line["transport"]},
                           {"calls", line["total"]["calls"]},
                           {"bytes", line["total"]["bytes"]},
                           {"seconds", line["total"]["seconds"]},
                           {"exposed_seconds", longest},
                           {"exposed_seconds_median", median},
                           {"exposed_share", longest / step},
                           {"moving_seconds", line["total"]["moving_seconds"]},
                           {"bytes_per_second", line["total"]["bytes_per_second"]},
                           {"ops", line["ops"]}}));
  }
  return out;
}

Json memory_summary(const Ranks& ranks) {
  Json out = Json::object();
  double most = 0;
  for (const auto& [kind, value] : ranks.front()["memory"].members()) {
    const std::string key = kind;
    out.set(key, slowest(ranks, [&](const Json& r) { return r["memory"][key].number(); }));
  }
  for (const Json& r : ranks) {
    double all = 0;
    for (const auto& [kind, value] : r["memory"].members()) all += value.number();
    most = std::max(most, all);
  }
  return out.set("total", most);
}

Json kernels_json(const RankProfile& p) {
  double all = 0;
  for (const auto& [name, row] : p.kernels) all += row.seconds;
  Json list = Json::array();
  for (const auto& [name, row] : by_seconds(p.kernels)) {
    const double seconds = std::max(row.seconds, 1e-12), flops = row.operations / seconds, bytes = row.bytes / seconds;
    list.push(Json::object({{"kernel", name},
                            {"calls", row.calls},
                            {"seconds", row.seconds},
                            {"share", row.seconds / std::max(all, 1e-12)},
                            {"flops", row.operations},
                            {"flops_per_second", flops},
                            {"of_product_rate", flops / p.product_rate},
                            {"bytes", row.bytes},
                            {"bytes_per_second", bytes},
                            {"of_copy_rate", bytes / p.copy_rate}}));
  }
  return Json::object({{"product_flops_per_second", p.product_rate},
                       {"copy_bytes_per_second", p.copy_rate},
                       {"seconds", all},
                       {"rows", list}});
}

Json pipeline_json(const LoadedModel& m, const Ranks& ranks) {
  const int pp = m.mesh->grid().size[std::size_t(Axis::pp)];
  if (pp == 1) return {};
  const double phase = slowest(ranks, [](const Json& r) { return r["pipeline"]["seconds"].number(); });
  const std::vector<double> working = over(ranks, [](const Json& r) { return r["pipeline"]["working"].number(); });
  const double mean = std::accumulate(working.begin(), working.end(), 0.0) / double(working.size());
  const PipelineShape shape{pp, int(m.config.train.accumulate), int(m.config.parallel.interleave)};
  return Json::object({{"bubble", 1 - mean / phase}, {"bubble_of_equal_stages", pipeline_bubble(shape)}});
}

}  // namespace

std::vector<Json> of_all_ranks(LoadedModel& m, const Json& mine) {
  std::vector<Json> ranks;
  for (const std::string& text : gathered(m.mesh->world(), mine.dump()))
    ranks.push_back(Json::parse(text, "a rank's profile"));
  return ranks;
}

Json as_json(const RankProfile& p, const LoadedModel& m) {
  Json lines = Json::array();
  for (const auto& [label, line] : p.lines) lines.push(line_json(label, line));
  return Json::object({{"rank", m.mesh->world().rank()},
                       {"host", world_info().host},
                       {"pp", m.mesh->at(Axis::pp)},
                       {"dp", m.mesh->at(Axis::dp)},
                       {"cp", m.mesh->at(Axis::cp)},
                       {"tp", m.mesh->at(Axis::tp)},
                       {"real", list_of(p.real)},
                       {"control", list_of(p.control)},
                       {"real_computing", list_of(p.real_computing)},
                       {"control_computing", list_of(p.control_computing)},
                       {"independent", list_of(p.independent)},
                       {"lines", lines},
                       {"data", list_of(p.data_seconds)},
                       {"pipeline", Json::object({{"seconds", p.pipeline_seconds}, {"working", p.pipeline_working}})},
                       {"memory", memory_json(p.memory)}});
}

Json spans_json(const RankProfile& p) {
  Json list = Json::array();
  for (const Span& s : p.spans.all())
    list.push(Json::array({s.kind, s.name, s.begin - p.clock, s.end - p.clock, s.bytes, s.beside}));
  return list;
}

Json summary(const LoadedModel& m, const RankProfile& p, const std::vector<Json>& ranks) {
  const std::vector<double> real = steps(ranks, "real"), control = steps(ranks, "control");
  const double step = quantile(real, 0.5);
  auto [pp, dp, cp, tp] = m.mesh->grid().size;
  const WorldInfo& w = world_info();
  Json independent;
  if (!p.independent.empty()) {
    const std::vector<double> alone = steps(ranks, "independent");
    independent = Json::object({{"seconds", spread_of(alone)}, {"overhead", spread_of(excess(real, alone))}});
  }
  const Of own = [](const Json& r) { return median_of(r["control"]); };
  const std::vector<double> owns = over(ranks, own);
  const double data = slowest(ranks, [](const Json& r) { return r["data"].at(r["data"].size() - 1).number(); });
  return Json::object(
      {{"grid", Json::object({{"pp", pp}, {"dp", dp}, {"cp", cp}, {"tp", tp}})},
       {"machine", Json::object({{"ranks", m.mesh->world().size()},
                                 {"hosts", w.hosts},
                                 {"threads", threads()},
                                 {"library", w.library},
                                 {"device", m.device->name()}})},
       {"tokens", p.tokens},
       {"tokens_per_rank", p.tokens / m.mesh->world().size()},
       {"tokens_per_second", double(p.tokens) / step},
       {"step", spread_of(real)},
       {"control", spread_of(control)},
       {"overhead", spread_of(excess(real, control))},
       {"overhead_computing", spread_of(excess(steps(ranks, "real_computing"), steps(ranks, "control_computing")))},
       {"independent", independent},
       {"axes", axes_json(ranks, step)},
       {"pipeline", pipeline_json(m, ranks)},
       {"data", Json::object({{"stall_seconds", data}, {"share", data / step}})},
       {"imbalance", Json::object({{"median_seconds", quantile(owns, 0.5)},
                                   {"slowest_seconds", quantile(owns, 1)},
                                   {"slowest_rank", std::ranges::max_element(owns) - owns.begin()},
                                   {"ratio", quantile(owns, 1) / quantile(owns, 0.5)}})},
       {"memory", memory_summary(ranks)},
       {"kernels", kernels_json(p)},
       {"ranks", Json::array(ranks)}});
}

}  // namespace lact
