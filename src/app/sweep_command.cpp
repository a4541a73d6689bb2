#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <thread>

#include "app/commands.hpp"
#include "app/sweep_results.hpp"
#include "app/table.hpp"
#include "base/check.hpp"
#include "base/log.hpp"
#include "files/whole_file.hpp"
#include "layers/parameters/store.hpp"
#include "parallel/launch/starter.hpp"
#include "run/chart.hpp"
#include "run/html_page.hpp"
#include "train/config.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Done = std::pair<Words, Json>;  // a run that ended well, and its row of sweep.json

// A run whose sweep was killed saves and ends by itself, a moment later.
void wait_until_free(const std::string& folder) {
  using namespace std::chrono;
  const auto last = steady_clock::now() + 60s;
  for (;; std::this_thread::sleep_for(100ms)) {
    try {
      const FolderLock lock(folder);
      return;
    } catch (const Error&) {
      if (steady_clock::now() > last) throw;
    }
  }
}

class Stopped : public Error {
 public:
  using Error::Error;
};

class Sweep {
 public:
  Sweep(std::string config, Arguments args)
      : config_(std::move(config)),
        ranks_(args.take_number("ranks", "1")),
        folder_(args.take_path("run.dir")),
        fixed_(std::move(args.overrides)),
        keys_(taken_keys(fixed_)) {
    check(ranks_ > 0, "ranks=0: a run has a rank");
    check(!keys_.empty(), "no key has several values, as in train.lr=1e-3,3e-4");
    for (const SweptKey& k : keys_)
      check(k.key != "task" && k.key != "run.dir", "{} cannot be swept: its values make no one comparison", k.key);
    if (folder_.empty()) folder_ = RunConfig::load(config_, {}).run.dir + "_sweep";
    check(!fs::exists(folder_ + "/config.yaml"), "run.dir={} is the folder of one run, not of a sweep", folder_);
    make_folder(folder_);
    lock_ = std::make_unique<FolderLock>(folder_);
    read_done();
  }

  // True where all runs ended well.
  bool run() {
    const std::vector<Combination> all = combinations_of(keys_);
    bool well = true;
    for (std::size_t i = 0; i < all.size(); ++i) {
      log::info("{} of {}: {}", i + 1, all.size(), all[i].name);
      results_.push_back(tried(all[i]));
      const SweepResult& r = results_.back();
      well = well && r.why.empty();
      if (r.why.empty())
        log::info("{} of {}: loss {:.4f} after {} steps", i + 1, all.size(), r.loss, r.steps);
      else
        log::info("{} of {}: failed: {}", i + 1, all.size(), r.why);
      write(all.size());
    }
    show();
    return well;
  }
  Json json() const {
    Json runs = Json::array();
    for (const SweepResult& r : results_) {
      Json one = json_of(r, keys_);
      Json words = Json::array();
      for (const std::string& w : words_of(r.of)) words.push(w);
      runs.push(one.set("words", words));
    }
    return Json::object({{"config", config_}, {"folder", folder_}, {"runs", runs}});
  }
  std::string table() const {
    std::string out = aligned(rows_of(results_, keys_));
    for (const SweepResult& r : results_)
      if (!r.why.empty()) out += r.of.name + " failed: " + r.why + "\n";
    return out + "more in " + folder_ + "/sweep.html\n";
  }

 private:
  Words words_of(const Combination& c) const {
    Words words{config_};
    words.insert(words.end(), fixed_.begin(), fixed_.end());
    for (std::size_t k = 0; k < keys_.size(); ++k) words.push_back(keys_[k].key + "=" + c.values[k]);
    return words;
  }
  std::string place_of(const Combination& c) const { return folder_ + "/" + c.name; }

  // What an earlier start finished. A record that cannot be read costs a look at each run, no more.
  void read_done() {
    const std::string path = folder_ + "/sweep.json";
    if (!fs::exists(path)) return;
    try {
      for (const Json& r : Json::read(path)["runs"].items()) {
        Words words;
        for (const Json& w : r["words"].items()) words.push_back(w.text());
        if (r["ok"].boolean()) done_.emplace_back(std::move(words), r);
      }
    } catch (const Error& e) {
      log::warning("{}; all runs are looked at again", e.what());
    }
  }

  SweepResult tried(const Combination& c) const {
    try {
      const Words words = words_of(c);
      const bool done = std::ranges::find(done_, words, &Done::first) != done_.end();
      if (!done || !fs::exists(place_of(c) + "/config.yaml")) train(c, words);
      SweepResult r = result_of(c, place_of(c));
      ParameterStore store;
      const RunConfig cfg = RunConfig::load(config_, {words.begin() + 1, words.end()});
      static_cast<void>(cfg.task->make_model(store, CpMode::tokens));
      r.parameters = store.count();
      return r;
    } catch (const Stopped&) {
      throw;
    } catch (const Error& e) {
      return {.of = c, .why = e.what()};
    }
  }

  void train(const Combination& c, Words words) const {
    const std::string place = place_of(c), log = place + "/train.log";
    make_folder(place);
    wait_until_free(place);
    words.insert(words.begin(), "train");
    words.push_back("run.dir=" + place);
    const Finished f = run_ranks(int(ranks_), words, log);
    if (f.status == exit_stopped) throw Stopped(c.name + " was stopped; the same command goes on from here", "");
    check(f.status == 0, "{} ({}, status {})", reason_in(read_text(log, 1 << 26)), log, f.status);
  }

  // Until all have had their turn, with what an earlier start finished of the others.
  void write(std::size_t combinations) const {
    Json all = json(), runs = all["runs"];
    std::vector<Words> told;
    for (const SweepResult& r : results_) told.push_back(words_of(r.of));
    for (const auto& [words, row] : done_)
      if (results_.size() < combinations && std::ranges::find(told, words) == told.end()) runs.push(row);
    write_whole(folder_ + "/sweep.json", all.set("runs", runs).dump() + "\n");
  }
  void show() const {
    const std::vector<Chart> charts = charts_of(results_, keys_);
    if (!charts.empty()) write_picture(folder_ + "/sweep.svg", charts);
    HtmlPage page("Sweep of " + config_);
    auto rows = rows_of(results_, keys_);
    const std::vector<std::string> header = rows.front();
    rows.erase(rows.begin());
    page.table(header, rows);
    page.paragraph(
        "loss: mean of the last tenth of the steps. tokens/s: the median step. seconds: all steps together.");
    for (const SweepResult& r : results_)
      if (!r.why.empty()) page.paragraph(r.of.name + " failed: " + r.why);
    page.charts(charts);
    write_whole(folder_ + "/sweep.html", page.text());
  }

  std::string config_;
  std::int64_t ranks_;
  std::string folder_;
  Words fixed_;
  std::vector<SweptKey> keys_;
  std::unique_ptr<FolderLock> lock_;
  std::vector<Done> done_;  // by an earlier start
  std::vector<SweepResult> results_;
};

}  // namespace

std::string sweep_keys() {
  std::string folder = "that of the config, with _sweep behind it";
  std::int64_t ranks = 1;
  Fields keys;
  keys("run.dir", folder, "the sweep's folder, with a run's in it for each combination");
  keys("ranks", ranks, "of each run, on this host; parallel.* says what they share out");
  return describe(keys) + "all others: lact train --help-config\n";
}

int sweep_command(const std::string& config, Arguments args, bool json) {
  Sweep sweep(config, std::move(args));
  try {
    const bool well = sweep.run();
    std::cout << (json ? sweep.json().dump() + "\n" : sweep.table());
    return well ? exit_done : exit_error;
  } catch (const Stopped& e) {
    log::info("{}", e.what());
    return exit_stopped;
  }
}

}  // namespace lact
