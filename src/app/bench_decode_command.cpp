#include <algorithm>
#include <functional>
#include <iostream>

#include "app/bench.hpp"
#include "base/clock.hpp"
#include "base/median.hpp"
#include "files/json.hpp"
#include "models/language/causality.hpp"
#include "models/language/task.hpp"
#include "train/product_rate.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

struct DecodeConfig {
  std::string positions = "1024,32768";
  std::int64_t tokens = 64, judged = 300;
  void fields(Fields& f) {
    f("positions", positions, "tokens before the measured ones");
    f("tokens", tokens, "measured at each position, one by one");
    f("judged", judged, "tokens whose logits are compared with those of the whole sequence at once");
  }
  std::vector<std::int64_t> places() const {
    check(!positions.empty(), "positions= names none");
    std::vector<std::int64_t> all = numbers_in(positions);
    const bool ascending = std::ranges::is_sorted(all, std::less_equal<>());
    check(!all.empty() && ascending && all.back() < 1 << 28, "positions={} are no ascending numbers of tokens",
          positions);
    return all;
  }
};

struct DecodeRow {
  std::int64_t position = 0;
  LanguageState state;
  std::int64_t bytes = 0;                               // of the state
  double prefill = 0, median = 0, least = 0, mean = 0;  // seconds: of the tokens since the row before, and of one token
  std::vector<double> each;
};

class DecodeBench {  // a model with random weights on random text
 public:
  DecodeBench(LoadedModel& loaded, std::int64_t vocabulary, std::int64_t tokens)
      : loaded_(loaded),
        model_(dynamic_cast<LanguageModel&>(*loaded.model)),
        c_(loaded.context()),
        text_(tokens_to_cut(*loaded.device, tokens, vocabulary)) {}

  // The positions take turns, so that whatever else the machine is at meanwhile falls on all of them alike.
  std::vector<DecodeRow> rows(const std::vector<std::int64_t>& positions, std::int64_t tokens) {
    std::vector<DecodeRow> all;
    LanguageState state;
    for (const std::int64_t position : positions) {
      const double prefill = seconds([&] {
        for (constexpr std::int64_t piece = 16384; state.position < position;)
          read(state, std::min(piece, position - state.position));
      });
      all.push_back({.position = position, .state = state, .prefill = prefill});
      for (const StatePart& part : parts_of(state, model_.config()))
        if (const Tensor t = part.numbers(); t.defined()) all.back().bytes += t.count() * size_of(t.dtype());
    }
    for (std::int64_t i = 0; i < tokens; ++i)
      for (DecodeRow& r : all) r.each.push_back(seconds([&] { read(r.state, 1); }));
    for (DecodeRow& r : all) {
      for (const double s : r.each) r.mean += s / double(tokens);
      r.least = std::ranges::min(r.each), r.median = upper_median(r.each);
    }
    return all;
  }

  // Logits token by token behind a prefill of a third, against those of the whole sequence.
  double error(std::int64_t tokens) {
    const Tensor part = text_.cut(1, {0, tokens});
    const std::vector<double> want = outputs_of(model_, c_)(part).to_doubles();
    LanguageState state;
    std::vector<double> got =
        model_.advance(c_, part.cut(1, {0, tokens / 3 + 1}), state, LanguageModel::Logits::of_all).to_doubles();
    while (state.position < tokens) {
      const std::vector<double> next =
          model_.advance(c_, part.cut(1, {state.position, state.position + 1}), state).to_doubles();
      got.insert(got.end(), next.begin(), next.end());
    }
    return relative_difference(got, want);
  }

 private:
  void read(LanguageState& state, std::int64_t n) {
    model_.advance(c_, text_.cut(1, {state.position, state.position + n}), state);
  }
  template <class Work>
  double seconds(const Work& work) {
    const double begin = steady_seconds();
    work();
    loaded_.device->compute().finish();
    return steady_seconds() - begin;
  }

  LoadedModel& loaded_;
  LanguageModel& model_;
  Ctx c_;
  Tensor text_;
};

Json json_of(const DecodeRow& r, double first) {
  return Json::object({{"position", r.position},
                       {"prefill_seconds", r.prefill},
                       {"median_seconds", r.median},
                       {"least_seconds", r.least},
                       {"mean_seconds", r.mean},
                       {"times_first", r.median / first},
                       {"state_bytes", r.bytes}});
}

}  // namespace

std::string decode_keys() { return keys_of<DecodeConfig>() + "all others: lact train --help-config\n"; }

int bench_decode_command(const Arguments& given, bool json) {
  Arguments args = given;
  DecodeConfig cfg;
  cfg.positions = args.take("positions", cfg.positions);
  cfg.tokens = args.take_number("tokens", std::to_string(cfg.tokens));
  cfg.judged = args.take_number("judged", std::to_string(cfg.judged));
  const std::vector<std::int64_t> places = cfg.places();
  check(cfg.tokens > 0 && cfg.judged > 1, "tokens={} and judged={} must be positive", cfg.tokens, cfg.judged);
  const RunConfig run = RunConfig::load(args.plain[0], args.overrides);
  const std::int64_t vocabulary = run.task.as<LanguageTask>().model.vocab_size;
  LoadedModel loaded(run);
  DecodeBench bench(loaded, vocabulary, std::max(places.back() + cfg.tokens, cfg.judged));
  const double error = bench.error(cfg.judged), bound = 1e-4;  // measured: 1e-5 at most; Newton-Schulz amplifies
  const std::vector<DecodeRow> rows = bench.rows(places, cfg.tokens);
  const std::string type = run.task.as<LanguageTask>().model.model_type;
  if (json) {
    Json list = Json::array();
    for (const DecodeRow& r : rows) list.push(json_of(r, rows[0].median));
    std::cout << Json::object({{"device", loaded.device->name()},
                               {"model_type", type},
                               {"parameters", loaded.store.count()},
                               {"tokens", cfg.tokens},
                               {"rows", list},
                               {"error", error},
                               {"error_bound", bound}})
                     .dump()
              << "\n";
  } else {
    std::cout << fill("{}: {}, {} parameters, {} tokens one by one\n{:>10} {:>11} {:>11} {:>11} {:>11} {:>12} {:>9}\n",
                      {loaded.device->name(), type, loaded.store.count(), cfg.tokens, "position", "prefill s",
                       "median ms", "least ms", "mean ms", "times first", "state MB"});
    for (const DecodeRow& r : rows)
      std::cout << fill("{:>10} {:>11.3f} {:>11.3f} {:>11.3f} {:>11.3f} {:>12.3f} {:>9.2f}\n",
                        {r.position, r.prefill, r.median * 1e3, r.least * 1e3, r.mean * 1e3, r.median / rows[0].median,
                         double(r.bytes) / 1e6});
    std::cout << fill("logits against the whole sequence at once: {:.1e}\n", {error});
  }
  return error < bound ? exit_done : exit_error;
}

}  // namespace lact
