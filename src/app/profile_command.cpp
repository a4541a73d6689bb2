#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "parallel/world.hpp"
#include "train/profile_report.hpp"

namespace lact {
namespace {

ProfileConfig taken_from(Arguments& args) {
  ProfileConfig cfg;
  const Fields fields = Fields::of(cfg);
  for (const std::string key : {"pairs", "alone", "traced"})
    if (const std::string value = args.take(key); !value.empty()) apply_override(fields, key + "=" + value);
  cfg.check_values();
  return cfg;
}

double milli(const Json& seconds) { return seconds.number() * 1e3; }
double percent(const Json& share) { return share.number() * 100; }
double mega(const Json& bytes) { return bytes.number() / 1e6; }

void print(const Json& p) {
  std::cout << fill("pp={} dp={} cp={} tp={}, {} tokens of a step, {} per rank; {} threads a rank on {}\n",
                    {p["grid"]["pp"].integer(), p["grid"]["dp"].integer(), p["grid"]["cp"].integer(),
                     p["grid"]["tp"].integer(), p["tokens"].integer(), p["tokens_per_rank"].integer(),
                     p["machine"]["threads"].integer(), p["machine"]["device"].text()});
  const Json& o = p["overhead"];
  std::cout << fill(
      "step {:.1f} ms ({:.0f} tokens/s), without exchange {:.1f} ms: overhead {:.2f} %"
      " (half of {} pairs within {:.2f} to {:.2f} %)\n",
      {milli(p["step"]["median"]), p["tokens_per_second"].number(), milli(p["control"]["median"]), percent(o["median"]),
       o["all"].size(), percent(o["low"]), percent(o["high"])});
  if (!p["independent"].is_null())
    std::cout << fill("every rank alone with as many tokens {:.1f} ms: {:+.2f} %\n",
                      {milli(p["independent"]["seconds"]["median"]), percent(p["independent"]["overhead"]["median"])});
  std::cout << fill(
      "{:<9} {:>5} {:<9} {:<15} {:>6} {:>11} {:>10} {:>11} {:>8} {:>7}\n",
      {"axis", "ranks", "transport", "collective", "calls", "bytes", "ms", "exposed ms", "of step", "GB/s"});
  for (const Json& a : p["axes"].items())
    for (const Json& r : a["ops"].items())
      std::cout << fill(
          "{:<9} {:>5} {:<9} {:<15} {:>6} {:>11} {:>10.3f} {:>11.3f} {:>6.2f} % {:>7.3f}\n",
          {a["axis"].text(), a["ranks"].integer(), a["transport"].text(), r["op"].text(), r["calls"].integer(),
           r["bytes"].integer(), milli(r["seconds"]), milli(r["exposed_seconds"]),
           100 * r["exposed_seconds"].number() / p["step"]["median"].number(), r["bytes_per_second"].number() / 1e9});
  if (!p["pipeline"].is_null())
    std::cout << fill("pipeline bubble {:.1f} % ({:.1f} % if all stages were equal)\n",
                      {percent(p["pipeline"]["bubble"]), percent(p["pipeline"]["bubble_of_equal_stages"])});
  std::cout << fill(
      "own compute of a rank: median {:.1f} ms, slowest {:.1f} ms (rank {}); waiting for data {:.1f} ms\n",
      {milli(p["imbalance"]["median_seconds"]), milli(p["imbalance"]["slowest_seconds"]),
       p["imbalance"]["slowest_rank"].integer(), milli(p["data"]["stall_seconds"])});
  const Json& m = p["memory"];
  std::cout << fill(
      "memory of the largest rank: weights {:.1f} MB, gradients {:.1f}, optimizer {:.1f}, activations {:.1f},"
      " working {:.1f}, loader {:.1f}; together {:.1f}\n",
      {mega(m["weights"]), mega(m["gradients"]), mega(m["optimizer"]), mega(m["activations"]), mega(m["working"]),
       mega(m["loader"]), mega(m["total"])});
}

}  // namespace

int profile_command(const std::string& config, Arguments args, bool json) {
  const ProfileConfig how = taken_from(args);
  const RunConfig cfg = RunConfig::load(config, args.overrides);
  const auto source = open_views(cfg.data);
  LoadedModel m(cfg, open_world(double(cfg.parallel.timeout)));
  const RankProfile mine = profile(m, *source, how);
  const std::vector<Json> ranks = gathered(m, as_json(mine, m));
  if (!m.first_rank()) return exit_done;
  const Json all = summary(m, mine, ranks);
  if (json)
    std::cout << all.dump() << "\n";
  else
    print(all);
  return exit_done;
}

}  // namespace lact
