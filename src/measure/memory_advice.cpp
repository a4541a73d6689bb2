#include "measure/memory_advice.hpp"

#include <new>
#include <optional>

#include "measure/plan.hpp"
#include "tensor/out_of_memory.hpp"
#include "train/layout.hpp"

namespace lact {
namespace {

// Memory of plans alone is wanted: the rates are those of no machine.
Machine of_ranks(int ranks, bool wide) {
  Machine m;
  m.name = "any", m.ranks_per_node = ranks, m.wide = wide;
  m.product_gflops = m.attention_gflops = m.memory_gb_per_second = 1;
  m.inside.gb_per_second = 1;
  return m;
}

constexpr double usable = 0.93;  // of a device: its driver and the libraries take some, blocks are rounded up

struct Setting {
  RunConfig cfg;
  Grid grid;
  std::string text;
};

// Bytes of the largest rank.
double bytes_of(const Setting& s) {
  const bool wide = backend_named(s.cfg.compute.device) == Backend::cuda;
  return plan_layout(s.cfg, s.grid, of_ranks(s.grid.ranks(), wide)).largest.total();
}

std::string keys_of(const RunConfig& c, const RunConfig& before) {
  std::string keys;
  auto add = [&keys](const std::string& key) { keys += keys.empty() ? key : " " + key; };
  if (c.train.activation_checkpointing != before.train.activation_checkpointing)
    add("train.activation_checkpointing=true");
  if (c.train.accumulate != before.train.accumulate) add("train.accumulate=" + std::to_string(c.train.accumulate));
  return keys;
}

// Settings in the order in which a user would rather have them.
std::vector<Setting> settings_near(const RunConfig& cfg, int ranks) {
  std::vector<Setting> all;
  RunConfig c = cfg;
  c.train.activation_checkpointing = true;
  auto add = [&](const Grid& grid, const std::string& layout) {
    const std::string keys = keys_of(c, cfg);
    all.push_back({c, grid, keys + (keys.empty() || layout.empty() ? "" : " ") + layout});
  };
  const Grid now = layout_of(cfg, ranks);
  if (!cfg.train.activation_checkpointing) add(now, "");
  const std::int64_t samples = cfg.train.batch_size;
  for (std::int64_t n = cfg.train.accumulate * 2; n <= samples; n *= 2) {
    c.train.accumulate = n;
    if (samples % n == 0 && objection_to(c, now).empty()) add(now, "");
  }
  c.train.accumulate = cfg.train.accumulate;
  for (const Grid& g : possible_layouts(c, ranks))
    if (g.size != now.size) add(g, text_of(g));
  for (int times = 2; times <= 64; times *= 2) {
    Grid g = now;
    g.size[std::size_t(Axis::cp)] *= times;
    if (objection_to(c, g).empty()) add(g, sentence("{} on {} ranks", text_of(g), g.ranks()));
  }
  return all;
}

}  // namespace

std::string what_fits(const RunConfig& cfg, int ranks, double capacity) {
  const double now = bytes_of({cfg, layout_of(cfg, ranks), ""});
  const std::string begin =
      sentence("a step is planned to take {:.3g} GB of the device's {:.3g} GB", now / 1e9, capacity / 1e9);
  if (now <= usable * capacity) return begin + ", so other programs or an evaluation use the rest";
  double least = now;
  for (const Setting& s : settings_near(cfg, ranks)) {
    const double bytes = bytes_of(s);
    if (bytes <= usable * capacity) return begin + sentence("; it would be {:.3g} GB with {}", bytes / 1e9, s.text);
    least = std::min(least, bytes);
  }
  return begin + sentence("; no near setting fits, the smallest takes {:.3g} GB", least / 1e9);
}

void with_memory_advice(const RunConfig& cfg, int ranks, const std::function<void()>& body) {
  std::optional<OutOfMemory> missing;
  try {
    return body();
  } catch (const OutOfMemory& e) {
    missing = e;  // planned below, when the memory of the attempt has been given back
  } catch (const std::bad_alloc&) {
    fail(
        "the memory of this host, or its limit (ulimit -v), is used up; a micro-batch (train.batch_size={} / "
        "train.accumulate={}) has {}",
        cfg.train.batch_size, cfg.train.accumulate, cfg.task->memory_of_samples(samples_of_micro_batch(cfg)));
  }
  std::string advice;
  try {
    advice = "; " + what_fits(cfg, ranks, double(missing->capacity));
  } catch (const Error&) {  // the first sentence is true without it
  }
  throw OutOfMemory(missing->what() + advice, missing->where(), missing->capacity);
}

}  // namespace lact
