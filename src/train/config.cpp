#include "train/config.hpp"

#include <algorithm>
#include <filesystem>

#include "base/check.hpp"
#include "files/config_file.hpp"
#include "files/kind.hpp"
#include "kernels/cudnn.hpp"
#include "layers/fast_weights/run_plan.hpp"

namespace lact {

void TrainConfig::fields(Fields& f) {
  LearningConfig::fields(f);
  f("seed", seed, "seed of initialisation and of sampling");
  f("batch_size", batch_size, "samples of one optimizer step, over all ranks");
  f("accumulate", accumulate, "micro-batches that a step's samples are split into, one after the other");
  f("deterministic", deterministic,
    "the same bits for any power-of-two split of dp and cp; one rank always repeats its bits");
  f("eval_every", eval_every,
    "steps between evaluations of what is held out, each after a checkpoint; 0: only after the last step");
  f("checkpoint_every", checkpoint_every, "steps between checkpoints; 0: only by time and after the last step");
  f("checkpoint_seconds", checkpoint_seconds, "seconds after which a checkpoint is written in any case; 0 never");
  f("keep_checkpoints", keep_checkpoints, "how many of the newest checkpoints stay");
}

void RunConfig::Run::fields(Fields& f) {
  f("dir", dir, "folder of the run; empty: runs/ and the name of the config file");
}

void RunConfig::Compute::fields(Fields& f) {
  f("device", device, "cpu, cuda, or best: cuda where there is a GPU");
  f("threads", threads, "threads of a rank; 0: the cores this process may use");
  f("cudnn", cudnn, "what of bf16 goes through cuDNN where it is found: none, attention, all (also gated products)");
  f("graphs", graphs, "one rank with a GPU asks for steps of one shape as a CUDA graph, thousands of kernels at once");
}

void RunConfig::Parallel::fields(Fields& f) {
  f("pp", pp, "ranks along the pipeline of blocks");
  f("dp", dp, "ranks along the samples; 0: those left over by the others");
  f("cp", cp, "ranks along the tokens of a sample");
  f("cp_mode", cp_mode,
    "what fast-weight layers exchange over cp: tokens (sums of their gradients), heads (tokens of whole heads), or "
    "auto: "
    "the fewer bytes");
  f("tp", tp, "ranks along heads and hidden widths");
  f("interleave", interleave, "pieces of consecutive blocks per rank of the pipeline; more than 1 interleaves them");
  f("timeout", timeout, "seconds after which a rank that does not answer ends the job; 0 watches nobody");
  f("io_timeout", io_timeout, "seconds that the others wait for a rank that reads or writes a file; 0: for ever");
  f("compare_calls", compare_calls, "ranks compare each collective before it begins and name who differs; slower");
}

void RunConfig::fields(Fields& f) {
  f("task", task_name, "what is learned; it says which keys model and data have");
  f.section("run", run);
  struct ModelKeys {
    RunConfig& c;
    void fields(Fields& g) {
      g("file", c.model_file, "a model file as published (YAML or JSON) instead of the keys here");
      c.task->model_fields(g);
    }
  } model_keys{*this};
  f.section("model", model_keys);
  struct DataKeys {
    RunConfig& c;
    void fields(Fields& g) { c.task->data_fields(g); }
  } data_keys{*this};
  f.section("data", data_keys);
  f.section("train", train);
  f.section("compute", compute);
  f.section("parallel", parallel);
}

void RunConfig::check_values() const {
  check(task_name == task->name(), "task={}: the config was read as one of the task {}", task_name, task->name());
  train.check_values();
  task->check_values();
  constexpr std::int64_t most_samples = 1 << 20;
  check(train.batch_size <= most_samples, "train.batch_size={} is more than {}", train.batch_size, most_samples);
  check(train.batch_size > 0 && train.accumulate > 0 && train.batch_size % train.accumulate == 0,
        "train.batch_size={} is not divisible into train.accumulate={} micro-batches", train.batch_size,
        train.accumulate);
  check(train.precision == "fp32" || train.precision == "bf16", "train.precision={}: fp32 and bf16 are known",
        train.precision);
  check(train.eval_every >= 0 && train.checkpoint_every >= 0 && train.checkpoint_seconds >= 0,
        "train.eval_every, train.checkpoint_every and train.checkpoint_seconds must not be negative");
  check(train.keep_checkpoints > 0, "train.keep_checkpoints={} would keep none", train.keep_checkpoints);
  check(train.seed >= 0, "train.seed={} is negative", train.seed);
  const Backend backend = backend_named(compute.device);
  check(train.precision == "fp32" || backend == Backend::cuda, "train.precision={} needs compute.device=cuda, not {}",
        train.precision, compute.device);
  kernels::cudnn_use_named(compute.cudnn);
  check(compute.threads >= 0 && compute.threads <= 4096, "compute.threads={} is not a number of threads",
        compute.threads);
  check(parallel.interleave > 0 && parallel.interleave <= 32768, "parallel.interleave={} is not a number of pieces",
        parallel.interleave);
  check(parallel.cp_mode == "auto" || cp_mode_named(parallel.cp_mode),
        "parallel.cp_mode={}: auto, tokens and heads are known", parallel.cp_mode);
  check(parallel.timeout >= 0 && parallel.io_timeout >= 0,
        "parallel.timeout={} and parallel.io_timeout={} must not be negative", parallel.timeout, parallel.io_timeout);
  for (std::int64_t size : {parallel.pp, parallel.dp, parallel.cp, parallel.tp})
    check(size >= 0 && size <= 32768, "parallel: an axis of {} ranks; between 1 and 32768 are possible", size);
}

namespace {

void check_is_text(const std::string& path, std::string_view wanted) {
  if (!std::filesystem::exists(path)) return;  // reading it says so
  const FileKind is = kind_of(path);
  check(is.kind == FileKind::unknown, "{}: {}; {}", path, is.words, wanted);
}

RunConfig overridden(RunConfig c, const std::vector<std::string>& overrides) {
  for (const std::string& o : overrides) apply_override(Fields::of(c), o);
  return c;
}

// Names all that the values may have come from.
void check_of(const RunConfig& c, const std::vector<std::string>& files, const std::vector<std::string>& overrides) {
  try {
    c.check_values();
  } catch (const Error& e) {
    std::string sources;
    auto add = [&](const std::string& s) { sources += s.empty() ? "" : sources.empty() ? s : ", " + s; };
    for (const std::string& file : files) add(file);
    if (!overrides.empty()) add("command line");
    fail("{}: {}", sources, e.what());
  }
}

RunConfig filled(RunConfig c) {
  c.task->complete();
  return c;
}

}  // namespace

RunConfig RunConfig::completed(RunConfig c, const std::string& path, const std::vector<std::string>& overrides) {
  std::vector<std::string> naming_it;  // alone: the other keys may be ones of the model that it describes
  std::ranges::copy_if(overrides, std::back_inserter(naming_it),
                       [](const std::string& o) { return o.starts_with("model.file="); });
  std::string model_file = overridden(c, naming_it).model_file;
  if (!model_file.empty()) {
    auto beside = std::filesystem::path(path).parent_path() / model_file;  // as seen from here, else from the config
    if (!std::filesystem::exists(model_file) && std::filesystem::exists(beside)) model_file = beside.string();
    c.task->reset_model();
    check_is_text(model_file, "model.file takes a model file as published (YAML or JSON)");
    check(read_config_file(Fields::of(c), model_file, "model"), "{}: is empty, which is no model", model_file);
    c.model_file = model_file;
  }
  c = filled(overridden(filled(c), overrides));  // so that a key may name an entry that no file lists
  check_of(c, {path, model_file}, overrides);
  return c;
}

// The defaults of the task that a config names, or key=value, which wins.
RunConfig RunConfig::of_task(std::string name, const std::vector<std::string>& overrides) {
  constexpr std::string_view key = "task=";
  for (const std::string& o : overrides)
    if (o.starts_with(key)) name = o.substr(key.size());
  RunConfig c;
  if (!name.empty()) c.task_name = name, c.task = make_task(name);
  return c;
}

RunConfig RunConfig::load(const std::string& path, const std::vector<std::string>& overrides) {
  check_is_text(path, "a config is YAML or JSON");
  const std::string text = read_config(path);
  RunConfig c = of_task(value_in_config(text, "task"), overrides);
  read_config_text(Fields::of(c), text, path);
  c = completed(c, path, overrides);
  if (c.run.dir.empty()) c.run.dir = "runs/" + std::filesystem::path(path).stem().string();
  return c;
}

RunConfig RunConfig::from_overrides(const std::vector<std::string>& overrides) {
  return completed(of_task("", overrides), "", overrides);
}

RunConfig RunConfig::stored(const std::string& yaml, const std::string& source,
                            const std::vector<std::string>& overrides) {
  RunConfig c = of_task(value_in_config(yaml, "task"), overrides);
  read_config_text(Fields::of(c), yaml, source);
  c = overridden(c, overrides);
  check_of(c, {source}, overrides);
  return c;
}

std::vector<Difference> forbidden_differences(RunConfig before, RunConfig now) {
  bool grows = now.train.steps >= before.train.steps;
  std::vector<Difference> all = differences(Fields::of(before), Fields::of(now));
  std::erase_if(all, [&](const Difference& d) {
    return d.key.starts_with("run.") || d.key.starts_with("parallel.") || d.key.starts_with("compute.") ||
           d.key == "train.precision" || d.key == "train.checkpoint_seconds" || d.key == "train.keep_checkpoints" ||
           d.key.ends_with("_every") || now.task->may_change(d.key) || d.key == "model.file" ||
           (d.key == "train.steps" && grows);
  });
  return all;
}

}  // namespace lact
