#include <filesystem>
#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "data/views/synthetic.hpp"
#include "files/kind.hpp"
#include "files/whole_file.hpp"
#include "run/weights.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

int run_to_safetensors(const std::string& run, const std::string& out, const Arguments& args) {
  check(args.overrides.empty(), "{}: a run keeps its config; '{}' cannot change it", run,
        args.overrides.empty() ? "" : args.overrides[0]);
  LoadedModel loaded(config_of_run(run));
  std::int64_t step = load_newest(run, loaded).step;
  check(step >= 0, "{}: has no checkpoint yet", run);
  write_weights(out, loaded.store);
  std::cout << fill("{}: {} parameters of step {}\n", {out, loaded.store.count(), step});
  return exit_done;
}

int safetensors_to_run(const std::string& in, const std::string& run, const Arguments& args) {
  check(!fs::exists(run + "/config.yaml"), "{}: is not empty but holds a run; weights go into a new one", run);
  check_usable(run);
  RunConfig cfg = RunConfig::from_overrides(args.overrides);
  cfg.run.dir = run;
  LoadedModel loaded(cfg);
  read_weights(in, loaded.store, *loaded.device);
  loaded.store.add_moments();
  make_folder(run);
  TrainState start;
  start.config = to_yaml(Fields::of(cfg));
  write_whole(run + "/config.yaml", start.config);
  make_folder(run + "/checkpoints", run);
  write_checkpoint(checkpoint_path(run, 0), loaded.store, *loaded.mesh, start);
  std::cout << fill("{}: {} parameters from {}\n", {run, loaded.store.count(), in});
  return exit_done;
}

}  // namespace

int convert_weights_command(const Arguments& args) {
  const std::string &from = args.plain[0], &to = args.plain[1];
  if (fs::is_directory(from)) return run_to_safetensors(from, to, args);
  check(fs::exists(from), "{}: no such file or folder", from);
  const FileKind is = kind_of(from);  // the name tells what a damaged file was meant to be
  check(is.kind == FileKind::safetensors || is.kind == FileKind::unknown, "{}: {}, not a run folder or safetensors",
        from, is.words);
  check(is.kind == FileKind::safetensors || from.ends_with(".safetensors"),
        "{}: is neither a run folder nor a safetensors file", from);
  return safetensors_to_run(from, to, args);
}

std::string synthetic_keys() {
  SyntheticConfig cfg;
  Fields fields("data.");
  fields.section("synthetic", cfg);
  return describe(fields);
}

int convert_synthetic_command(const Arguments& args) {
  SyntheticConfig cfg;
  Fields fields("data.");
  fields.section("synthetic", cfg);
  for (const std::string& o : args.overrides) apply_override(fields, o);
  SyntheticScenes scenes(cfg);
  write_dataset(scenes, args.plain[0]);
  std::cout << fill("{}/index.json: {} scenes of {} views, {} x {} pixels\n",
                    {args.plain[0], cfg.scenes, cfg.views, cfg.resolution, cfg.resolution});
  return exit_done;
}

}  // namespace lact
