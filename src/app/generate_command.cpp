#include <algorithm>
#include <filesystem>
#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "data/text/text_corpus.hpp"
#include "data/text/text_stream.hpp"
#include "files/checksum.hpp"
#include "files/json.hpp"
#include "files/whole_file.hpp"
#include "models/language/sampling.hpp"
#include "models/language/session.hpp"
#include "models/language/task.hpp"
#include "parallel/together.hpp"
#include "parallel/world.hpp"
#include "train/run_folder.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

constexpr std::int64_t longest_prompt = std::int64_t(1) << 30;  // bytes
constexpr std::int64_t tokens_at_once = 16384;                  // of a prefill

struct GenerateConfig {
  SamplingConfig sampling;
  std::string prompt;
  Path prompt_file, session, save;
  std::int64_t tokens = 256;
  void fields(Fields& f) {
    f("prompt", prompt, "text to go on from");
    f("prompt_file", prompt_file, "a file with that text instead");
    f("tokens", tokens, "most that are generated; a token that ends a document ends the text");
    sampling.fields(f);
    f("session", session, "file to go on from: the prompt, where there is one, comes behind its text");
    f("save", save, "file that the session is written to in the end; it may be that of session=");
  }
  void check_values() const {
    sampling.check_values();
    check(tokens >= 0 && tokens < 1 << 30, "tokens={} is no number of tokens", tokens);
    check(prompt.empty() || prompt_file.empty(), "prompt= and prompt_file={} are both given", prompt_file);
  }
};

// Takes the keys of the command out of the overrides; what is left is for the config of the run.
GenerateConfig taken_from(Arguments& args) {
  GenerateConfig cfg;
  const Fields fields = Fields::of(cfg);
  std::erase_if(args.overrides, [&](const std::string& o) {
    const std::string key = o.substr(0, o.find('='));
    if (key == "prompt") {
      cfg.prompt = o.substr(o.find('=') + 1);
      return true;
    }
    for (const Fields::Field& f : fields.fields())
      if (f.key == key) {
        apply_override(fields, o);
        return true;
      }
    return false;
  });
  cfg.check_values();
  return cfg;
}

// Before a long text is made that could not be saved.
void check_place(const Path& save) {
  if (save.empty()) return;
  const std::filesystem::path folder = std::filesystem::path(save.c_str()).parent_path();
  check(folder.empty() || std::filesystem::is_directory(folder), "save={}: there is no folder {}", save,
        folder.string());
  check(!std::filesystem::is_directory(save.c_str()), "save={}: is a folder", save);
}

class Generation {  // of one text, on all ranks alike
 public:
  Generation(const GenerateConfig& cfg, LoadedModel& loaded, const Tokenizer& tokenizer, SessionOwner owner)
      : cfg_(cfg),
        model_(dynamic_cast<LanguageModel&>(*loaded.model)),
        c_(loaded.context()),
        tokenizer_(tokenizer),
        owner_(std::move(owner)),
        stream_(tokenizer),
        session_{model_.first_state(1)} {
    if (!cfg.session.empty()) session_ = read_session(cfg.session, model_, c_, owner_);
  }

  // The tokens that the state has not seen: those left by the session, then the prompt's.
  void take_prompt() {
    const bool begins = session_.state.position == 0 && session_.pending.empty();
    std::vector<std::uint64_t> ids;
    together(world(), [&] {
      if (!first_rank()) return;
      check_place(cfg_.save);
      const std::string text = cfg_.prompt_file.empty() ? cfg_.prompt : read_text(cfg_.prompt_file, longest_prompt);
      check(!text.empty() || cfg_.prompt_file.empty(), "{}: is empty, so there is no prompt", cfg_.prompt_file);
      if (begins && tokenizer_.bos() >= 0 && tokenizer_.bos() != tokenizer_.eos())
        ids.push_back(std::uint64_t(tokenizer_.bos()));
      for (const std::int32_t id : tokenizer_.encode(text)) ids.push_back(std::uint64_t(id));
      if (!text.empty() || !session_.pending.empty()) return;
      check(!begins, "the prompt is empty: prompt=TEXT, prompt_file=FILE or session=FILE says what to go on from");
      fail("{}: no token of its text waits: prompt=TEXT or prompt_file=FILE says how it goes on", cfg_.session);
    });
    ids = gathered(world(), ids).front();
    for (const std::uint64_t id : ids) session_.pending.push_back(std::int32_t(id));
  }

  void run(bool streams) {
    const double begin = steady_seconds();
    const std::int64_t before = session_.state.position;
    // the last token is read when its logits are asked for
    Tensor logits = read_pending(cfg_.tokens > 0 ? 0 : 1);
    prefill_seconds_ = steady_seconds() - begin;
    prefilled_ = session_.state.position - before;
    stream_.before(last_read_);
    for (std::int64_t i = 0; i < cfg_.tokens; ++i) {
      if (i > 0) logits = read_pending(0);
      const std::int32_t id = chosen(logits);
      session_.pending = {id};
      if (id == tokenizer_.eos()) break;
      ids_.push_back(id);
      const std::string whole = stream_.add(id);
      if (streams && first_rank()) std::cout << whole << std::flush;
    }
    const std::string rest = stream_.rest();
    if (streams && first_rank() && cfg_.tokens > 0) std::cout << rest << "\n" << std::flush;
    seconds_ = steady_seconds() - begin - prefill_seconds_;
  }

  void save() {
    if (!cfg_.save.empty()) write_session(cfg_.save, model_, c_, std::move(session_), owner_);
  }

  Json as_json(const std::string& run) const {
    Json ids = Json::array();
    for (const std::int32_t id : ids_) ids.push(id);
    return Json::object({{"run", run},
                         {"step", owner_.step},
                         {"text", stream_.text()},
                         {"ids", ids},
                         {"position", session_.state.position},
                         {"prefill_tokens", prefilled_},
                         {"prefill_seconds", prefill_seconds_},
                         {"seconds_per_token", ids_.empty() ? 0 : seconds_ / double(ids_.size())}});
  }

 private:
  Communicator& world() const { return c_.mesh.world(); }
  bool first_rank() const { return world().rank() == 0; }

  // All pending tokens but the last `left`: logits behind them, [1, 1, vocabulary].
  Tensor read_pending(std::int64_t left) {
    const std::int64_t all = std::int64_t(session_.pending.size()) - left;
    Tensor logits;
    for (std::int64_t at = 0; at < all; at += tokens_at_once) {
      const std::int64_t n = std::min(tokens_at_once, all - at);
      const std::span<const std::int32_t> part(session_.pending.data() + at, std::size_t(n));
      logits = model_.advance(c_, Tensor::of(c_.device, {1, n}, part), session_.state);
      last_read_ = part.back();
    }
    session_.pending.erase(session_.pending.begin(), session_.pending.begin() + all);
    return logits;
  }

  // The first rank's choice, so that rounding of others cannot part them. Only tokens that stand for a text.
  std::int32_t chosen(const Tensor& logits) {
    std::int32_t id = 0;
    together(world(), [&] {
      if (!first_rank()) return;
      const std::vector<float> all = logits.to_floats();
      const std::span<const float> known = std::span(all).first(std::size_t(tokenizer_.vocabulary()));
      id = next_token(known, cfg_.sampling, session_.state.position);
    });
    if (world().size() == 1) return id;
    return std::int32_t(gathered(world(), std::vector<std::uint64_t>{std::uint64_t(id)}).front().front());
  }

  const GenerateConfig& cfg_;
  LanguageModel& model_;
  Ctx c_;
  const Tokenizer& tokenizer_;
  SessionOwner owner_;
  TextStream stream_;
  Session session_;
  std::vector<std::int32_t> ids_;
  std::int32_t last_read_ = -1;
  std::int64_t prefilled_ = 0;
  double prefill_seconds_ = 0, seconds_ = 0;
};

std::string fingerprint_of(LanguageConfig model, const std::string& weights) {
  return checksum_text(checksum_of(to_yaml(Fields::of(model)) + weights));
}

// A run in the layout of its own keys would ask for the ranks that it was trained on.
RunConfig config_for(const std::string& run, const std::vector<std::string>& overrides, int ranks) {
  RunConfig cfg = config_of_run(run, overrides);
  check(cfg.task_name == LanguageTask::task_name, "{}: lact generate writes text, which task={} has not", run,
        cfg.task_name);
  cfg.train.deterministic = false;
  if (ranks == 1) return cfg;
  auto told = [&](const std::string& key) {
    return std::ranges::any_of(overrides, [&](const std::string& o) { return o.starts_with(key + "="); });
  };
  auto layout = [&](const char* key, std::int64_t& value, std::int64_t otherwise) {
    if (!told(key)) value = otherwise;
  };
  layout("parallel.pp", cfg.parallel.pp, 1);
  layout("parallel.dp", cfg.parallel.dp, 1);
  layout("parallel.cp", cfg.parallel.cp, 1);
  layout("parallel.tp", cfg.parallel.tp, ranks / cfg.parallel.cp);
  check(cfg.parallel.pp == 1 && cfg.parallel.dp == 1,
        "parallel.pp={} and parallel.dp={}: one text is generated by the ranks of tp and cp alone", cfg.parallel.pp,
        cfg.parallel.dp);
  return cfg;
}

}  // namespace

std::string generate_keys() {
  GenerateConfig cfg;
  return describe(Fields::of(cfg));
}

int generate_command(Arguments args, bool json) {
  const std::string& run = args.plain[0];
  const GenerateConfig wanted = taken_from(args);
  // what is wrong with the run is said before ranks meet
  auto world = open_world(config_for(run, args.overrides, 1).parallel.patience());
  log::set_rank(world->rank(), world->size());
  const RunConfig cfg = config_for(run, args.overrides, world->size());
  const LanguageConfig& model = cfg.task.as<LanguageTask>().model;
  const TextConfig& text = cfg.task.as<LanguageTask>().data;
  // a text that is gone can be done without where the tokenizer is told
  const bool needs_text = text.tokenizer.empty() || std::filesystem::exists(text.path.c_str());
  const std::shared_ptr<const Tokenizer> tokenizer = needs_text ? tokenizer_of(text) : open_tokenizer(text.tokenizer);
  check(tokenizer->vocabulary() <= model.vocab_size,
        "the tokenizer {} has {} tokens, and model.vocab_size={} of {} knows fewer of them", tokenizer->name(),
        tokenizer->vocabulary(), model.vocab_size, run);
  std::unique_ptr<LoadedModel> loaded =
      world->size() == 1 ? std::make_unique<LoadedModel>(cfg) : std::make_unique<LoadedModel>(cfg, std::move(world));
  const std::int64_t step = load_newest(run, *loaded).step;
  check(step >= 0, "{}: has no checkpoint yet", run);
  std::vector<std::string> weights(1);
  together(loaded->mesh->world(), [&] {
    if (loaded->first_rank()) weights[0] = fingerprint_of_weights(checkpoint_path(run, step));
  });
  weights = same_everywhere(loaded->mesh->world(), weights);
  const SessionOwner owner{fingerprint_of(model, weights[0]), tokenizer->fingerprint(), model.model_type, step};
  Generation generation(wanted, *loaded, *tokenizer, owner);
  generation.take_prompt();
  generation.run(!json);
  const Json out = generation.as_json(run);
  generation.save();
  if (json && loaded->first_rank()) std::cout << out.dump() << "\n";
  return exit_done;
}

}  // namespace lact
