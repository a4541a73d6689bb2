#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "base/log.hpp"
#include "files/json.hpp"
#include "parallel/starter.hpp"
#include "parallel/world.hpp"
#include "train/layout.hpp"
#include "train/step_record.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
constexpr double least_bound = 1e-5;       // of the largest value of a tensor
constexpr double of_rounding = 10;         // times what f32 itself differs from f64 on one rank
constexpr double loss_bound = 1e-5;        // of the loss
constexpr std::size_t most_per_count = 6;  // layouts tried of each number of ranks

std::int64_t number(const std::string& text, const std::string& key) {
  check(!text.empty() && text.size() < 7 && text.find_first_not_of("0123456789") == text.npos, "{}={} is not a number",
        key, text);
  return std::stoll(text);
}

std::vector<std::string> layout_keys(const Grid& g) {
  std::vector<std::string> keys;
  for (std::size_t a = 0; a < 4; ++a)
    keys.push_back(sentence("parallel.{}={}", name_of(Axis(a)), std::int64_t(g.size[a])));
  return keys;
}

int axes_used(const Grid& g) {
  return int(std::ranges::count_if(g.size, [](int n) { return n > 1; }));
}

// Every axis alone first, then products.
std::vector<Grid> chosen(std::vector<Grid> possible) {
  std::ranges::stable_sort(possible, {}, axes_used);
  possible.resize(std::min(possible.size(), most_per_count));
  return possible;
}

class Layouts {
 public:
  Layouts(std::string config, Arguments args)
      : config_(std::move(config)),
        most_(number(args.take("ranks", "8"), "ranks")),
        steps_(number(args.take("steps", "3"), "steps")),
        overrides_(args.overrides),
        cfg_(RunConfig::load(config_, overrides_)),
        folder_((fs::temp_directory_path() / ("lact-layouts-" + std::to_string(::getpid()))).string()) {
    fs::create_directories(folder_);
  }
  ~Layouts() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  Json run() {
    one_ = losses_of({}, "one", false);
    losses_of({}, "f64", true);
    for (const GradientDifference& d : gradient_differences(cfg_, file("one"), file("f64")))
      bounds_[d.name] = std::max(least_bound, of_rounding * d.value);
    Json rows = Json::array(), forbidden = Json::array();
    for (int ranks : {1, 2, 3, 4, 6, 8}) {
      if (ranks > most_) continue;
      for (const Grid& g : chosen(possible_layouts(cfg_, ranks))) rows.push(tried(g));
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
  std::string file(const std::string& name) const { return folder_ + "/" + name + ".h5"; }

  std::vector<double> losses_of(const std::optional<Grid>& g, const std::string& name, bool f64, bool bits = false) {
    std::vector<std::string> words{"verify", "layout", config_};
    words.insert(words.end(), overrides_.begin(), overrides_.end());
    for (const std::string& key : layout_keys(g.value_or(Grid{}))) words.push_back(key);
    words.insert(words.end(), {"compute.threads=1", "gradients=" + file(name), "steps=" + std::to_string(steps_),
                               std::string("f64=") + (f64 ? "1" : "0")});
    if (cfg_.train.deterministic && g && !bits) words.push_back("train.deterministic=false");
    if (f64) words.push_back("train.deterministic=false");
    const Finished f = run_ranks(g ? g->ranks() : 1, words);
    check(f.status == 0, "the layout {} ended with status {}", text_of(g.value_or(Grid{})), std::int64_t(f.status));
    std::vector<double> losses;
    const Json said = Json::parse(f.out, "verify layout");
    for (const Json& l : said["losses"].items()) losses.push_back(l.number());
    return losses;
  }

  Json tried(const Grid& g) {
    const bool bits = cfg_.train.deterministic && g.size[std::size_t(Axis::tp)] == 1 && repeats_bits(cfg_, g);
    const std::vector<double> losses = losses_of(g, "layout", false, bits);
    double loss = 0;
    for (std::size_t i = 0; i < one_.size(); ++i)
      loss = std::max(loss, std::abs(losses[i] - one_[i]) / std::max(std::abs(one_[i]), 1e-30));
    GradientDifference worst;
    double worst_share = -1;
    std::string first;
    for (const GradientDifference& d : gradient_differences(cfg_, file("layout"), file("one"))) {
      const double bound = bits ? 0 : bounds_.at(d.name);
      if (first.empty() && !(d.value <= bound)) first = d.name;
      const double share = d.value / bounds_.at(d.name);
      if (!(share <= worst_share)) worst = d, worst_share = share;
    }
    const bool ok = first.empty() && loss <= (bits ? 0 : loss_bound);
    failed_ += !ok;
    Json row = Json::object({{"layout", text_of(g)},
                             {"ranks", std::int64_t(g.ranks())},
                             {"same_bits_promised", bits},
                             {"loss_difference", loss},
                             {"worst_gradient", worst.name},
                             {"gradient_difference", worst.value},
                             {"bound", bits ? 0 : bounds_.at(worst.name)},
                             {"first_beyond_its_bound", first},
                             {"ok", ok}});
    log::info("{}: loss differs by {:.1e}, gradient of {} by {:.1e} (bound {:.1e}): {}", text_of(g), loss, worst.name,
              worst.value, bits ? 0 : bounds_.at(worst.name), ok ? "ok" : "FAILED");
    return row;
  }

  std::string config_;
  std::int64_t most_, steps_;
  std::vector<std::string> overrides_;
  RunConfig cfg_;
  std::string folder_;
  std::vector<double> one_;
  std::map<std::string, double> bounds_;
  std::int64_t failed_ = 0;
};

void print(const Json& all) {
  std::cout << fill("{:<26} {:>5} {:>9} {:>9} {:>9}  {}\n",
                    {"layout", "ranks", "loss", "gradient", "bound", "worst gradient, and the first beyond its bound"});
  for (const Json& r : all["layouts"].items()) {
    const std::string first = r["first_beyond_its_bound"].text();
    std::cout << fill("{:<26} {:>5} {:>9.1e} {:>9.1e} {:>9.1e}  {}{} {}\n",
                      {r["layout"].text(), r["ranks"].integer(), r["loss_difference"].number(),
                       r["gradient_difference"].number(), r["bound"].number(), r["worst_gradient"].text(),
                       first.empty() ? std::string() : ", " + first, r["ok"].boolean() ? "ok" : "FAILED"});
  }
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
  const std::string gradients = args.take("gradients", "gradients.h5");
  const std::int64_t steps = number(args.take("steps", "1"), "steps");
  const DType t = args.take("f64", "0") == "1" ? DType::f64 : DType::f32;
  const RunConfig cfg = RunConfig::load(config, args.overrides);
  on_ranks(cfg, open_world(cfg.parallel.patience()), [&](const RunConfig& c, std::unique_ptr<Communicator> world) {
    const bool first = world->rank() == 0;
    Json losses = Json::array();
    for (double l : record_steps(c, std::move(world), steps, gradients, t)) losses.push(l);
    if (first) std::cout << Json::object({{"losses", losses}}).dump() << "\n";
  });
  return exit_done;
}

}  // namespace lact
