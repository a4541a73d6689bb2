#include <CLI/CLI.hpp>
#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "base/log.hpp"

namespace {

using lact::Arguments;
constexpr const char* pairs = "key=value pairs win over the config file";

struct CommandLine {
  CLI::App app{"lact: training of models with large-chunk fast weights (arXiv 2505.23884)"};
  std::vector<std::string> words;
  std::string config;
  bool json = false, help_config = false;
  double above = 0;

  CLI::App* command(CLI::App& parent, const std::string& name, const std::string& what, const std::string& example) {
    CLI::App* sub = parent.add_subcommand(name, what);
    sub->footer("example: " + example);
    return sub;
  }
  CLI::App *train, *eval, *render, *verify, *golden, *convert, *weights, *synthetic, *inspect;

  CommandLine() {
    app.require_subcommand(1);
    app.footer("example: lact train configs/nvs/character_64.yaml\nexit status: 0 done, 1 error, 2 wrong command line, 75 stopped on request");
    train = command(app, "train", "trains, or goes on training, the run of a config",
                    "lact train configs/nvs/character_64.yaml train.seed=1 run.dir=runs/seed1");
    train->add_option("config", config, "YAML file; `lact train --help-config` prints every key");
    train->add_option("key=value", words, pairs);
    train->add_flag("--help-config", help_config, "print every key of a config with its default");
    eval = command(app, "eval", "PSNR and SSIM of the held-out views of one or more runs", "lact eval runs/character_64");
    eval->add_option("run", words, "run folders; key=value pairs change their config")->required();
    eval->add_flag("--json", json, "one JSON object on stdout");
    eval->add_option("--above-baselines", above, "exit 1 unless the mean PSNR is so many dB above the better baseline");
    render = command(app, "render", "contact sheet and turntable of a run", "lact render runs/character_64 out=/tmp/pictures");
    render->add_option("run", words, "run folder; scene=PATH renders other data, out=DIR writes elsewhere")->required();
    verify = command(app, "verify", "compares with reference numbers", "lact verify golden tests/golden");
    verify->require_subcommand(1);
    golden = command(*verify, "golden", "recomputes reference files", "lact verify golden tests/golden/lact/05_lvsm_model.safetensors");
    golden->add_option("path", words, "files or folders (default tests/golden); data=DIR says where the scenes' folders are");
    golden->add_flag("--json", json, "one JSON object on stdout");
    convert = command(app, "convert", "weights and datasets between formats", "lact convert synthetic /tmp/scenes data.synthetic.scenes=4");
    convert->require_subcommand(1);
    weights = command(*convert, "weights", "a run's weights to safetensors with the published names, or safetensors to a new run",
                      "lact convert weights weights.safetensors runs/published model.file=lact_l24_d768_ttt2x.yaml");
    weights->add_option("from to", words, "RUN OUT.safetensors, or IN.safetensors RUN and key=value pairs")->required();
    synthetic = command(*convert, "synthetic", "writes generated scenes to disk", "lact convert synthetic /tmp/scenes data.synthetic.scenes=4");
    synthetic->add_option("folder", words, "new folder, and key=value pairs of data.synthetic")->required();
    inspect = command(app, "inspect", "what is in a checkpoint, weights file, dataset or run", "lact inspect runs/character_64");
    inspect->add_option("file", config, "checkpoint, safetensors file, scene folder, camera or index file, or run folder")->required();
    inspect->add_flag("--json", json, "one JSON object on stdout");
  }

  int run() {
    Arguments args = Arguments::split(words);
    if (*train) {
      if (help_config) {
        std::cout << lact::help_config();
        return lact::exit_done;
      }
      if (config.empty()) throw CLI::RequiredError("train: config");
      return lact::train_command(config, args);
    }
    if (*eval) return lact::eval_command(args, above, json);
    if (*render) return lact::render_command(args);
    if (*golden) return lact::verify_golden_command(args, json);
    if (*weights) return lact::convert_weights_command(args);
    if (*synthetic) return lact::convert_synthetic_command(args);
    return lact::inspect_command(config, json);
  }
};

}  // namespace

int main(int argc, char** argv) {
  CommandLine line;
  try {
    line.app.parse(argc, argv);
    return line.run();
  } catch (const CLI::ParseError& e) {
    return line.app.exit(e) == 0 ? lact::exit_done : lact::exit_usage;
  } catch (const std::exception& e) {
    lact::log::end_line();
    std::cerr << "lact: " << e.what() << "\n";
    return lact::exit_error;
  }
}
