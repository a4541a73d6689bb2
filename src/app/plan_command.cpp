#include <algorithm>
#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "files/json.hpp"
#include "measure/plan.hpp"
#include "parallel/world.hpp"
#include "train/layout.hpp"

namespace lact {
namespace {

Json as_json(const PlannedMemory& m) {
  return Json::object({{"weights", m.weights},
                       {"gradients", m.gradients},
                       {"optimizer", m.optimizer},
                       {"activations", m.activations},
                       {"working", m.working},
                       {"total", m.total()}});
}

Json as_json(const PlannedLayout& p) {
  Json lines = Json::array();
  for (const auto& [label, line] : p.slowest.lines)
    for (std::size_t op = 0; op < op_kinds; ++op) {
      const Traffic::Row& row = line.traffic.rows[op];
      if (row.calls > 0)
        lines.push(Json::object(
            {{"axes", label}, {"collective", name_of(Op(op))}, {"calls", row.calls}, {"bytes", row.bytes}}));
    }
  Json waiting = Json::object();
  for (const auto& [label, line] : p.slowest.lines) waiting.set(label, line.waiting);
  auto [pp, dp, cp, tp] = p.grid.size;
  Json kernels = Json::array();
  for (const auto& [name, row] : by_seconds(p.slowest.kernels))
    kernels.push(Json::object({{"kernel", name},
                               {"calls", row.calls},
                               {"seconds", row.seconds},
                               {"flops", row.operations},
                               {"bytes", row.bytes}}));
  return Json::object({{"pp", pp},
                       {"dp", dp},
                       {"cp", cp},
                       {"tp", tp},
                       {"activation_checkpointing", p.recompute},
                       {"seconds", p.seconds},
                       {"tokens_per_second", p.tokens_per_second},
                       {"computing_seconds", p.slowest.computing},
                       {"exposed_seconds", waiting},
                       {"bubble", p.bubble},
                       {"traffic", lines},
                       {"kernels", kernels},
                       {"memory_bytes", as_json(p.largest)},
                       {"fits", p.fits}});
}

std::string traffic_of(const PlannedLayout& p) {
  std::string out;
  for (const auto& [label, line] : p.slowest.lines) {
    const Traffic::Row all = line.traffic.total();
    if (all.calls > 0)
      out += fill("{}{} {} calls {:.2f} MB {:.2f} ms",
                  {out.empty() ? "" : ", ", label, all.calls, double(all.bytes) / 1e6, line.waiting * 1e3});
  }
  return out;
}

void print(const Machine& m, const std::vector<PlannedLayout>& all) {
  std::cout << fill(
      "{}: {} ranks of {:.3g} GB, {:.0f} GFLOP/s in products, {:.0f} in attention, {:.3g} GB/s, {:.2g} us a call\n",
      {m.name, m.ranks(), m.memory_gb, m.product_gflops, m.attention_gflops, m.memory_gb_per_second, m.call_us});
  std::cout << fill("{:<24} {:<10} {:>10} {:>10} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8}  {}\n",
                    {"layout", "keeps", "s / step", "tokens / s", "bubble", "GB", "w, grad", "optim.", "activ.",
                     "working", "exchanged by the slowest rank, exposed"});
  for (const PlannedLayout& p : all) {
    const PlannedMemory& b = p.largest;
    std::cout << fill(
        "{:<24} {:<10} {:>10.4g} {:>10.0f} {:>6.1f}% {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f}  {}{}\n",
        {text_of(p.grid), p.recompute ? "inputs" : "all", p.seconds, p.tokens_per_second, 100 * p.bubble,
         b.total() / 1e9, (b.weights + b.gradients) / 1e9, b.optimizer / 1e9, b.activations / 1e9, b.working / 1e9,
         traffic_of(p), p.fits ? "" : "  DOES NOT FIT"});
  }
}

void print_kernels(const PlannedLayout& p) {
  std::cout << fill("\nthe slowest rank of {}, {}:\n{:<24} {:>7} {:>10} {:>7} {:>12} {:>12}\n",
                    {text_of(p.grid), p.recompute ? "blocks computed again" : "all kept", "kernel", "calls", "ms", "%",
                     "GFLOP", "MB"});
  for (const auto& [name, row] : by_seconds(p.slowest.kernels))
    std::cout << fill("{:<24} {:>7} {:>10.3f} {:>7.2f} {:>12.3f} {:>12.3f}\n",
                      {name, row.calls, row.seconds * 1e3, 100 * row.seconds / p.slowest.seconds, row.operations / 1e9,
                       row.bytes / 1e6});
}

}  // namespace

Machine machine_named(const std::string& file_or_here, const RunConfig& cfg, int ranks) {
  if (file_or_here != "here") return Machine::load(config_file(file_or_here));
  const auto device = Device::open(backend_named(cfg.compute.device));
  share_threads(int(cfg.compute.threads), ranks);
  return Machine::here(*device, cfg.train.activations(), ranks);
}

int plan_command(Arguments args, bool json, bool kernels) {
  const std::string path = args.take_path("machine");
  const std::int64_t ranks = args.take_number("ranks", "1");
  check(!path.empty(), "machine=FILE says what to plan for (configs/machines holds some), machine=here this host");
  const RunConfig cfg = RunConfig::load(args.plain.at(0), args.overrides);
  check(ranks > 0 && ranks <= 32768, "ranks={} is not a number of ranks", ranks);
  const Machine machine = machine_named(path, cfg, int(ranks));
  const std::vector<PlannedLayout> all = plan_all(cfg, machine);
  if (json) {
    Json list = Json::array();
    for (const PlannedLayout& p : all) list.push(as_json(p));
    std::cout << Json::object({{"machine", machine.name}, {"ranks", machine.ranks()}, {"layouts", list}}).dump()
              << "\n";
  } else {
    print(machine, all);
    if (kernels) print_kernels(all.front());
  }
  return exit_done;
}

}  // namespace lact
