#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <utility>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "base/log.hpp"
#include "files/json.hpp"
#include "files/whole_file.hpp"
#include "measure/memory_advice.hpp"
#include "parallel/launch/starter.hpp"
#include "parallel/world.hpp"
#include "train/layout.hpp"
#include "train/trainer.hpp"
#include "verify/run_differences.hpp"
#include "verify/step_record.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
constexpr double least_bound = 1e-5;       // of the largest value of a tensor
constexpr double of_rounding = 10;         // times what the precision itself costs on one rank
constexpr double f32_bound = 1e-5;         // of losses and evaluations
constexpr std::size_t most_per_count = 6;  // layouts tried of each number of ranks

struct Layout {
  Grid grid;
  std::string cp_mode;  // parallel.cp_mode
  bool bits = false;    // train.deterministic: promises the bits of one rank
  std::string text() const {
    return text_of(grid) + (grid.size[std::size_t(Axis::cp)] > 1 && cp_mode != "auto" ? " by " + cp_mode : "");
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> keys{"parallel.cp_mode=" + cp_mode};
    for (std::size_t a = 0; a < 4; ++a)
      keys.push_back(sentence("parallel.{}={}", name_of(Axis(a)), std::int64_t(grid.size[a])));
    return keys;
  }
};

int axes_used(const Grid& g) {
  return int(std::ranges::count_if(g.size, [](int n) { return n > 1; }));
}

// Every axis alone first, then products of two, three and four axes in turn.
std::vector<Grid> by_variety(const std::vector<Grid>& possible) {
  std::vector<std::pair<std::pair<int, int>, Grid>> placed;
  std::array<int, 5> met{};
  for (const Grid& g : possible) {
    const int axes = axes_used(g);
    placed.push_back({axes < 2 ? std::pair(0, axes) : std::pair(++met[std::size_t(axes)], axes), g});
  }
  std::ranges::stable_sort(placed, {}, &decltype(placed)::value_type::first);
  std::vector<Grid> out;
  for (const auto& [place, g] : placed) out.push_back(g);
  return out;
}

// cp alone in both of its modes where neither was asked for.
std::vector<Layout> chosen(const RunConfig& cfg, int ranks) {
  std::vector<Grid> possible = by_variety(possible_layouts(cfg, ranks));
  possible.resize(std::min(possible.size(), most_per_count));
  std::vector<Layout> out;
  for (const Grid& g : possible) {
    const bool bits = cfg.train.deterministic && g.size[std::size_t(Axis::tp)] == 1 && repeats_bits(cfg, g);
    const bool both = cfg.parallel.cp_mode == "auto" && g.size[std::size_t(Axis::cp)] > 1 && axes_used(g) == 1 && !bits;
    for (const std::string& mode :
         both ? std::vector<std::string>{"tokens", "heads"} : std::vector{cfg.parallel.cp_mode})
      out.push_back({g, mode, bits});
  }
  return out;
}

// The worst of each kind, weights as a share of their bound, and the first of all that is beyond its bound.
struct Judged {
  double gradient = 0, gradient_bound = 0, loss = 0, evaluation = 0, weights = 0;
  std::string worst_gradient, first;
  void take(double Judged::*kind, const std::vector<RunDifference>& parts, const std::string& where) {
    for (const RunDifference& d : parts) {
      const double shown = kind == &Judged::weights && d.bound > 0 ? d.value / d.bound : d.value;
      this->*kind = worse(this->*kind, shown);
      if (first.empty() && !d.ok()) first = sentence("{}{} differs by {} (bound {})", d.part, where, d.value, d.bound);
    }
  }
};

class Layouts {
 public:
  Layouts(std::string config, Arguments args)
      : config_(std::move(config)),
        most_(args.take_number("ranks", "8")),
        least_(args.take_number("least", "1")),
        steps_(args.take_number("steps", "2")),
        overrides_(args.overrides),
        cfg_(RunConfig::load(config_, overrides_)),
        low_(cfg_.train.activations() == DType::bf16),
        folder_((fs::temp_directory_path() / ("lact-layouts-" + std::to_string(::getpid()))).string()) {
    check(steps_ > 0, "steps=0: a run has steps");
    fs::create_directories(folder_);
  }
  ~Layouts() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  Json run() {
    refer();
    Json rows = Json::array(), forbidden = Json::array();
    for (int ranks : {1, 2, 3, 4, 6, 8}) {
      if (ranks < least_ || ranks > most_) continue;
      for (const Layout& l : chosen(cfg_, ranks)) rows.push(tried(l));
      for (const std::string axis : {"pp", "dp", "cp", "tp"}) {
        Grid g;
        for (std::size_t a = 0; a < 4; ++a) g.size[a] = axis == name_of(Axis(a)) ? ranks : 1;
        if (std::string why = objection_to(cfg_, g); !why.empty())
          forbidden.push(Json::object({{"layout", text_of(g)}, {"why", why}}));
      }
    }
    return Json::object(
        {{"config", config_}, {"steps", steps_}, {"layouts", rows}, {"forbidden", forbidden}, {"failed", failed_}});
  }
  std::int64_t failed() const { return failed_; }

 private:
  std::string file(const std::string& name) const { return folder_ + "/" + name; }

  using Words = std::vector<std::string>;
  // One process per rank of the layout; an error in its words where it fails. The last of equal keys holds.
  void start(const std::string& what, const Layout& l, Words words, const Words& keys) const {
    words.push_back(config_);
    for (const Words& more : {overrides_, l.keys(), keys}) words.insert(words.end(), more.begin(), more.end());
    words.insert(words.end(), {"compute.threads=1", "train.eval_every=0", "train.checkpoint_every=0",
                               "train.checkpoint_seconds=0", "train.keep_checkpoints=2"});
    if (cfg_.train.deterministic && !l.bits) words.push_back("train.deterministic=false");
    const Finished f = run_ranks(l.grid.ranks(), words, file("errors"));
    if (f.status != 0)
      fail("{} under {} ended with status {}: {}", what, l.text(), f.status,
           reason_in(read_text(file("errors"), 1 << 24)));
  }
  // Gradients of the first step, then a run of `steps_` steps: trained, evaluated, saved.
  void begin(const Layout& l, const std::string& name, Words keys = {}) const {
    keys.insert(keys.end(),
                {"gradients=" + file(name + ".h5"), "run.dir=" + file(name), "train.steps=" + std::to_string(steps_)});
    start("the run", l, {"verify", "layout"}, keys);
  }
  void go_on(const Layout& l, const std::string& name, Words keys = {}) const {
    keys.insert(keys.end(), {"run.dir=" + file(name), "train.steps=" + std::to_string(2 * steps_)});
    start("going on", l, {"train"}, keys);
  }

  // The run of one rank, and what its precision costs.
  void refer() {
    before_[true] = before_[false] = {{}, cfg_.parallel.cp_mode, cfg_.train.deterministic};
    const Layout one = before_[true];
    begin(one, "one"), go_on(one, "one");
    RunConfig c = cfg_;
    c.train.steps = steps_;
    for (std::int64_t n = 0; n < steps_; ++n) rates_[0] += c.train.rate_at(n);
    c.train.steps = 2 * steps_, rates_[1] = rates_[0];
    for (std::int64_t n = steps_; n < 2 * steps_; ++n) rates_[1] += c.train.rate_at(n);
    Layout judge = one;
    judge.bits = false, before_[false] = judge;
    if (low_)  // bf16 is judged by f32, and costs what its run differs
      begin(judge, "judge", {"train.precision=fp32"}), go_on(judge, "judge", {"train.precision=fp32"});
    else
      begin(judge, "judge", {"f64=1"});
    for (const GradientDifference& d : gradient_differences(cfg_, file("one.h5"), file("judge.h5")))
      bounds_.gradient[d.name] = std::max(least_bound, of_rounding * d.value);
    bounds_.loss = bounds_.evaluation = f32_bound;
    for (int leg = 0; low_ && leg < 2; ++leg) {
      for (const RunDifference& d : loss_differences(file("one"), file("judge"), legs(leg), {}))
        bounds_.loss = std::max(bounds_.loss, of_rounding * d.value);
      for (const RunDifference& d : evaluation_differences(file("one"), file("judge"), legs(leg), {}))
        bounds_.evaluation = std::max(bounds_.evaluation, of_rounding * d.value);
    }
    if (evaluation_differences(file("one"), file("one"), legs(0), {}).empty())
      log::warning("nothing is held out, so no evaluation is compared");
  }
  RunLeg legs(int leg) const { return {{leg * steps_, (leg + 1) * steps_}, rates_[std::size_t(leg)], file("one.h5")}; }

  void judge_gradients(Judged& j, const Layout& l) const {
    double worst_share = -1;
    for (const GradientDifference& d : gradient_differences(cfg_, file("layout.h5"), file("one.h5"))) {
      const double bound = l.bits ? 0 : bounds_.gradient.at(d.name), share = d.value / bounds_.gradient.at(d.name);
      if (!std::isnan(worst_share) && !(share <= worst_share))
        worst_share = share, j.gradient = d.value, j.gradient_bound = bound, j.worst_gradient = d.name;
      if (j.first.empty() && !(d.value <= bound))
        j.first = sentence("gradient of {} differs by {} (bound {})", d.name, d.value, bound);
    }
  }
  void judge_leg(Judged& j, int leg, const Layout& l, const std::string& where) const {
    const RunBounds exact{.gradient = bounds_.gradient, .bits = true};
    const RunBounds& bounds = l.bits ? exact : bounds_;
    j.take(&Judged::loss, loss_differences(file("layout"), file("one"), legs(leg), bounds), where);
    j.take(&Judged::evaluation, evaluation_differences(file("layout"), file("one"), legs(leg), bounds), where);
    j.take(&Judged::weights, checkpoint_differences(cfg_, file("layout"), file("one"), legs(leg), bounds), where);
  }

  Json tried(const Layout& l) {
    // the layout tried before goes on with this one's run, so each of them begins one and takes one up
    const Layout next = std::exchange(before_[l.bits], l);
    Judged j;
    try {
      begin(l, "layout");
      judge_gradients(j, l);
      judge_leg(j, 0, l, "");
      go_on(next, "layout");
      judge_leg(j, 1, l, ", going on under " + next.text());
    } catch (const Error& e) {
      if (j.first.empty()) j.first = e.what();
    }
    fs::remove_all(file("layout"));
    const bool ok = j.first.empty();
    failed_ += !ok;
    log::info("{}, going on under {}: {}", l.text(), next.text(), ok ? "ok" : "FAILED: " + j.first);
    return Json::object({{"layout", l.text()},
                         {"ranks", std::int64_t(l.grid.ranks())},
                         {"goes_on_under", next.text()},
                         {"same_bits_promised", l.bits},
                         {"worst_gradient", j.worst_gradient},
                         {"gradient_difference", j.gradient},
                         {"bound", j.gradient_bound},
                         {"loss_difference", j.loss},
                         {"evaluation_difference", j.evaluation},
                         {"weights_of_bound", j.weights},
                         {"first_beyond_its_bound", j.first},
                         {"ok", ok}});
  }

  std::string config_;
  std::int64_t most_, least_, steps_;
  std::vector<std::string> overrides_;
  RunConfig cfg_;
  bool low_;
  std::string folder_;
  std::array<double, 2> rates_{};  // summed until the end of each leg
  RunBounds bounds_;
  std::map<bool, Layout> before_;  // that promise bits, and others
  std::int64_t failed_ = 0;
};

void print(const Json& all) {
  std::cout << fill("{:<30} {:>5} {:>9} {:>9} {:>9} {:>11} {:>8}  {:<30} {}\n",
                    {"layout", "ranks", "gradient", "bound", "loss", "evaluation", "weights", "goes on under", ""});
  for (const Json& r : all["layouts"].items()) {
    std::cout << fill("{:<30} {:>5} {:>9.1e} {:>9.1e} {:>9.1e} {:>11.1e} {:>8.2f}  {:<30} {}\n",
                      {r["layout"].text(), r["ranks"].integer(), r["gradient_difference"].number(), r["bound"].number(),
                       r["loss_difference"].number(), r["evaluation_difference"].number(),
                       r["weights_of_bound"].number(), r["goes_on_under"].text(), r["ok"].boolean() ? "ok" : "FAILED"});
  }
  for (const Json& r : all["layouts"].items())
    if (!r["ok"].boolean())
      std::cout << r["layout"].text() << " FAILED: " << r["first_beyond_its_bound"].text() << "\n";
  for (const Json& f : all["forbidden"].items())
    std::cout << f["layout"].text() << " is not possible: " << f["why"].text() << "\n";
  std::cout << fill("{} layouts, {} failed\n", {std::int64_t(all["layouts"].items().size()), all["failed"].integer()});
}

}  // namespace

int verify_layouts_command(const std::string& config, Arguments args, bool json) {
  Layouts layouts(config, std::move(args));
  const Json all = layouts.run();
  if (json)
    std::cout << all.dump() << "\n";
  else
    print(all);
  return layouts.failed() == 0 ? exit_done : exit_error;
}

int verify_layout_command(const std::string& config, Arguments args) {
  const std::string gradients = args.take_path("gradients", "gradients.h5");
  const bool f64 = args.take("f64", "0") == "1";
  const RunConfig cfg = RunConfig::load(config, args.overrides);
  auto world = open_world(cfg.parallel.patience());
  on_ranks(cfg, world->split(0, world->rank(), "world"), [&](const RunConfig& c, std::unique_ptr<Communicator> ranks) {
    record_gradients(c, std::move(ranks), gradients, f64 ? DType::f64 : c.train.activations());
  });
  const std::atomic<bool> never = false;
  const int ranks = world->size();
  if (!f64) with_memory_advice(cfg, ranks, [&] { train(cfg, std::move(world), never); });
  return exit_done;
}

}  // namespace lact
