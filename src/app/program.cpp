#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <limits>
#include <memory>
#include <new>
#include <sstream>
#include <thread>

#include "app/commands.hpp"
#include "app/process.hpp"
#include "app/program.hpp"
#include "app/version.hpp"
#include "base/check.hpp"
#include "base/config.hpp"
#include "base/log.hpp"
#include "parallel/launch/launcher.hpp"
#include "parallel/world.hpp"

namespace {

using lact::Arguments;
constexpr const char* pairs = "key=value pairs win over the config file";
constexpr const char* as_json = "one JSON object on stdout";

// CLI11 from 2.5 on would run the lines of a footer together.
template <class Formatter>
void keep_footers(Formatter& f) {
  if constexpr (requires { f.enable_footer_formatting(false); }) f.enable_footer_formatting(false);
}

// Help shows positional words as they are typed; CLI11 from 2.4 on takes no '=' and no blank in a name.
class Typed : public CLI::Formatter {
 public:
  Typed() {
    label("pairs", "key=value");
    label("from", "from to");
    keep_footers(*this);
  }
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    return get_label(CLI::Formatter::make_option_name(option, is_positional));
  }
};

// A key that is no field of a config, written as those are.
std::string key(const std::string& name, std::string otherwise, const std::string& help) {
  lact::Fields fields;
  fields(name, otherwise, help);
  return lact::describe(fields);
}

// Of the keys of a config those that most runs set, with their defaults.
std::string common_keys() {
  std::istringstream all(lact::help_config());
  std::string out;
  for (std::string line; std::getline(all, line);)
    for (const char* wanted :
         {"run.dir", "data.path", "data.image_size", "data.num_input_views", "data.num_target_views", "data.held_out",
          "train.steps", "train.lr", "train.batch_size", "train.seed", "train.precision", "train.eval_every",
          "compute.device", "parallel.dp", "parallel.cp", "parallel.tp", "parallel.pp"})
      if (line.starts_with(std::string(wanted) + " ")) out += line + "\n";
  return out;
}

struct CommandLine {
  CLI::App app{"lact: training of models with large-chunk fast weights (arXiv 2505.23884)", "lact"};
  std::vector<std::string> words;
  std::string config;
  bool json = false, check_plan = false, kernels = false, help_config = false, follow_links = false;
  double above = 0;
  CLI::App *train, *sweep, *eval, *render, *generate, *inspect, *plan, *measure, *verify, *golden, *layouts, *layout,
      *causality, *convert, *weights, *synthetic, *text, *bench, *bench_train, *gemm, *fast_weights, *newton_schulz,
      *attention, *copy, *comm, *ttt, *decode;

  // A command with two examples. `keys`: what its key=value pairs may be besides those of a config, with defaults.
  static CLI::App* command(CLI::App& parent, const std::string& name, const std::string& what,
                           const std::string& example, const std::string& another, const std::string& keys = "") {
    CLI::App* sub = parent.add_subcommand(name, what);
    sub->footer((keys.empty() ? "" : "keys, their defaults and what they are:\n" + keys + "\n") +
                "example: " + example + "\nexample: " + another);
    return sub;
  }

  CommandLine() {
    app.formatter(std::make_shared<Typed>());  // before the commands, which take it over
    app.require_subcommand(1);
    app.failure_message(
        [](const CLI::App* a, const CLI::Error& e) { return lact::shown(CLI::FailureMessage::simple(a, e)); });
    app.footer(
        "`lact COMMAND --help` shows the keys of a command, their defaults and two examples.\n\n"
        "example: lact train configs/demo.yaml\nexample: lact eval runs/demo\n"
        "exit status: 0 done, 1 error, 2 wrong command line, 75 stopped on request");
    app.set_version_flag("--version", lact::version_text, "version, commit, and what the program was built with");
    add_training();
    add_looking();
    add_planning();
    add_proofs();
    add_conversions();
    add_benches();
  }

  void add_training() {
    train = command(app, "train", "trains, or goes on training, the run of a config", "lact train configs/demo.yaml",
                    "lact train configs/nvs/character_64.yaml data.path=FOLDER run.dir=runs/mine",
                    common_keys() + "all others: lact train --help-config\n");
    train->add_option("config", config, "YAML file; `lact train --help-config` prints every key");
    train->add_option("pairs", words, pairs);
    train->add_flag("--help-config", help_config, "print every key of a config with its default");
    eval = command(app, "eval", "judges runs by what is held out, and compares several",
                   "lact eval runs/demo --above-baselines 0.5",
                   "lact eval runs/lact runs/gla data.needle=[1024,4096] picture=both.svg", lact::eval_keys());
    eval->add_option("run", words, "run folders; key=value pairs change their config")->required();
    eval->add_flag("--json", json, as_json);
    eval->add_option(
            "--above-baselines", above,
            "exit 1 unless the mean is so far, in dB or nats, better than what needs no model; 0 asks for nothing")
        ->capture_default_str();
    sweep =
        command(app, "sweep", "trains a config with each combination of values, and compares them",
                "lact sweep configs/demo.yaml train.lr=1e-3,3e-4 train.seed=0,1 train.steps=100",
                "lact sweep configs/language/tiny.yaml model.model_type=lact_swiglu,gla run.dir=runs/layers ranks=2",
                lact::sweep_keys());
    sweep->add_option("config", config, "YAML file")->required();
    sweep->add_option("pairs", words, "key=a,b,c: each of these values in turn; key=value: for all")->required();
    sweep->add_flag("--json", json, as_json);
    for (CLI::App* c : {train, sweep, eval}) c->group("Train and evaluate");
  }

  void add_looking() {
    render = command(app, "render", "contact sheet and turntable of a run", "lact render runs/demo",
                     "lact render runs/demo out=/tmp/pictures",
                     key("scene", "", "other scenes than the run's, from evenly spread views (data.eval_inputs)") +
                         key("out", "RUN/images", "where the pictures go"));
    render->add_option("run", words, "run folder, and key=value pairs")->required();
    generate = command(app, "generate", "text from a language model; its state is carried from token to token",
                       "lact generate runs/tiny prompt=\"[kqa=xz] \" tokens=100 temperature=0",
                       "lact generate runs/tiny prompt_file=book.txt save=read.session", lact::generate_keys());
    generate->add_option("run", words, "run folder; the keys below, and key=value pairs that change its config")
        ->required();
    generate->add_flag("--json", json, as_json);
    inspect = command(app, "inspect", "what is in a checkpoint, weights file, session, dataset, token shard or run",
                      "lact inspect runs/demo", "lact inspect tests/golden/lact/05_lvsm_model.safetensors");
    inspect
        ->add_option("file", config,
                     "checkpoint, safetensors file, session, scene folder, camera or index file, token shards, or run "
                     "folder")
        ->required();
    inspect->add_flag("--follow-links", follow_links, "also links that lead out of a scene's folder");
    inspect->add_flag("--json", json, as_json);
    for (CLI::App* c : {render, generate, inspect}) c->group("Look at");
  }

  void add_planning() {
    plan = command(app, "plan", "memory, bytes and time of every possible layout on a machine, before it is used",
                   "lact plan configs/nvs/objects_256.yaml machine=configs/machines/eight_gpus.yaml",
                   "lact plan configs/demo.yaml machine=here ranks=2 --kernels",
                   key("machine", "", "a machine's file, or here: this host, measured (the default of --check)") +
                       key("ranks", "1", "of this host"));
    plan->add_option("config", words, "config file, machine=FILE or machine=here with ranks=N, and key=value pairs")
        ->required();
    plan->add_flag("--check", check_plan, "of a run folder instead: what was planned beside what its metrics say");
    plan->add_flag("--kernels", kernels, "also what takes the time of the fastest layout that fits, kernel by kernel");
    plan->add_flag("--json", json, as_json);
    measure =
        command(app, "profile", "what each parallel axis costs, and where a step goes",
                "launch/run -n 2 -- lact profile configs/demo.yaml parallel.cp=2",
                "lact profile configs/demo.yaml ranks=1,2 scale=dp",
                lact::profile_keys() + key("out", "RUN/profile", "folder of the page, the trace and the numbers") +
                    key("ranks", "", "1,2,4: starts so many ranks, one after the other") +
                    key("scale", "cp", "the axis along which they stand"));
    measure->add_option("config", config, "YAML file")->required();
    measure->add_option("pairs", words, "the keys below; all others win over the file");
    measure->add_flag("--json", json, as_json);
    for (CLI::App* c : {plan, measure}) c->group("Plan and measure");
  }

  void add_proofs() {
    verify = command(app, "verify", "compares with reference numbers", "lact verify golden tests/golden",
                     "lact verify layouts configs/demo.yaml ranks=2");
    verify->require_subcommand(1);
    verify->group("Prove");
    golden = command(*verify, "golden", "recomputes reference files",
                     "lact verify golden tests/golden/lact/05_lvsm_model.safetensors",
                     "lact verify golden tests/golden --json",
                     key("data", "", "where the folders of the scenes are that a file names") +
                         key("compute.device", "cpu", "cuda computes on a GPU"));
    golden->add_option("path", words, "files or folders (default tests/golden), and key=value pairs");
    golden->add_flag("--json", json, as_json);
    causality = command(*verify, "causality", "changes future tokens, and proves that no earlier output moves",
                        "lact verify causality configs/language/tiny.yaml",
                        "lact verify causality configs/language/tiny.yaml model.model_type=mamba data.context=300",
                        "all others: lact train --help-config\n");
    causality->add_option("config", words, "config file of a language model, and key=value pairs")->required();
    causality->add_flag("--json", json, as_json);
    layouts = command(
        *verify, "layouts", "whole runs in many layouts (train, evaluate, save, go on under another) against one rank",
        "lact verify layouts configs/demo.yaml ranks=8 steps=2",
        "lact verify layouts configs/demo.yaml ranks=2 least=2",
        key("ranks", "8", "at most") + key("least", "1", "rank") + key("steps", "2", "before the save, and after it"));
    layouts->add_option("config", config, "YAML file")->required();
    layouts->add_option("pairs", words, "the keys below; all others win over the file");
    layouts->add_flag("--json", json, as_json);
    layout = verify->add_subcommand("layout", "one layout, as `verify layouts` starts it")->group("");
    layout->add_option("config", config)->required();
    layout->add_option("pairs", words);
  }

  void add_conversions() {
    convert = command(app, "convert", "weights and datasets between formats",
                      "lact convert weights runs/demo weights.safetensors", "lact convert synthetic /tmp/scenes");
    convert->require_subcommand(1);
    convert->group("Data and weights");
    weights = command(
        *convert, "weights", "a run's weights to safetensors with the published names, or safetensors to a new run",
        "lact convert weights runs/demo weights.safetensors",
        "lact convert weights weights.safetensors runs/copy model.patch_size=4 model.block_config.0.params.head_dim=32",
        key("model.file", "", "the published config of published weights") + "all others: lact train --help-config\n");
    weights->add_option("from", words, "RUN OUT.safetensors, or IN.safetensors RUN and key=value pairs")->required();
    synthetic = command(*convert, "synthetic", "writes generated scenes to disk", "lact convert synthetic /tmp/scenes",
                        "lact convert synthetic /tmp/four data.synthetic.scenes=4 data.synthetic.resolution=128",
                        lact::synthetic_keys());
    synthetic->add_option("folder", words, "new folder, and key=value pairs")->required();
    text = command(*convert, "text", "plain text to token shards; goes on where it was stopped",
                   "lact convert text /tmp/tokens path=README.md",
                   "lact convert text /tmp/tokens path=FOLDER tokenizer=tokenizer.json documents=paragraphs",
                   lact::text_keys());
    text->add_option("folder", words, "folder of the shards, and key=value pairs")->required();
  }

  void add_benches() {
    bench = command(app, "bench", "measures speed, with a column that counts wrong results", "lact bench train",
                    "lact bench gemm tokens=256");
    bench->require_subcommand(1);
    bench->group("Bench");
    bench_train =
        command(*bench, "train", "a training step on pictures of noise: time, memory, share of the product rate",
                "lact bench train configs/demo.yaml steps=3",
                "lact bench train configs/nvs/objects_256.yaml compute.device=cuda train.precision=bf16",
                key("steps", "5", "measured, after two more") +
                    key("product", "0", "side of the product that the rate is measured with; 0: as large as it takes"));
    bench_train->add_option("config", words, "config file (default: the defaults), and key=value pairs");
    auto add = [this](const std::string& name, const std::string& what, const std::string& example,
                      const std::string& another, const std::string& keys) {
      CLI::App* sub = command(*bench, name, what, "lact bench " + name + " " + example, another, keys);
      sub->add_option("pairs", words, "the keys below");
      return sub;
    };
    gemm = add("gemm", "matrix products of a model of width 768, and their error", "tokens=256",
               "lact bench gemm compute.device=cuda precision=bf16", lact::gemm_keys());
    fast_weights = add(
        "fast_weights", "update and apply with their backward: share of the product rate", "head_dim=128 tokens=4096",
        "lact bench fast_weights compute.device=cuda head_dim=768 tokens=131072", lact::fast_weights_keys());
    newton_schulz =
        add("newton_schulz", "orthogonalising a batch of matrices, and back", "m=128 n=256",
            "lact bench newton_schulz compute.device=cuda m=768 n=1536 batch=3", lact::newton_schulz_keys());
    attention =
        add("attention", "softmax attention forward and backward, and which library computes it",
            "items=2 heads=4 tokens=256",
            "lact bench attention compute.device=cuda items=32 tokens=1024 compute.cudnn=none", lact::attention_keys());
    copy = add("copy", "bytes per second of copies and of kernels that do little else", "most=16777216",
               "lact bench copy compute.device=cuda", lact::copy_keys());
    comm = add("comm", "time and bus bandwidth of each collective on each transport between the ranks", "seconds=0.05",
               "launch/run -n 2 -- lact bench comm most=1048576", lact::comm_keys());
    ttt = add("ttt", "TTT-Linear and TTT-MLP in products of matrices and token by token", "tokens=512 dim=64",
              "lact bench ttt ttt_layer_type=mlp tokens=2048", lact::ttt_keys());
    decode = command(*bench, "decode", "seconds per token of a decoder by its position",
                     "lact bench decode configs/language/tiny.yaml positions=256,1024 tokens=16",
                     "lact bench decode configs/language/tiny.yaml positions=1024,32768", lact::decode_keys());
    decode->add_option("config", words, "config file of a language model, and key=value pairs")->required();
    for (CLI::App* c : {bench_train, gemm, fast_weights, newton_schulz, attention, copy, comm, ttt, decode})
      c->add_flag("--json", json, as_json);
  }

  // With so many words that are no key=value pairs, neither more nor less.
  static Arguments split(const std::vector<std::string>& words, std::size_t least, std::size_t most,
                         const std::string& wanted) {
    Arguments args = Arguments::split(words);
    if (args.plain.size() < least) throw CLI::RequiredError(wanted);
    if (args.plain.size() > most) throw CLI::ExtrasError({args.plain[most] + " (wanted: " + wanted + ")"});
    return args;
  }

  // The one place where configs are looked for: commands take them as they are found.
  static Arguments with_config(Arguments args) {
    for (std::string& config : args.plain) config = lact::config_file(config);
    return args;
  }

  int run() {
    constexpr std::size_t any = std::numeric_limits<std::size_t>::max();
    if (*train && help_config) {
      std::cout << lact::help_config();
      return lact::exit_done;
    }
    if (*train || *sweep || *render || *generate || *measure || *convert) lact::outlive_readers();
    if (*train && config.empty()) throw CLI::RequiredError("config");
    if (*train || *sweep || *measure || *layouts || *layout) config = lact::config_file(config);
    if (*train) return lact::train_command(config, Arguments::split(words));
    if (*sweep) return lact::sweep_command(config, split(words, 0, 0, "key=value"), json);
    if (*eval) return lact::eval_command(split(words, 1, any, "run folder"), above, json);
    if (*render) return lact::render_command(split(words, 1, 1, "one run folder"));
    if (*generate) return lact::generate_command(split(words, 1, 1, "one run folder"), json);
    if (*causality) return lact::verify_causality_command(with_config(split(words, 1, 1, "one config file")), json);
    if (*decode) return lact::bench_decode_command(with_config(split(words, 1, 1, "one config file")), json);
    if (*measure) return lact::profile_command(config, split(words, 0, 0, "key=value"), json);
    if (*layouts) return lact::verify_layouts_command(config, split(words, 0, 0, "key=value"), json);
    if (*layout) return lact::verify_layout_command(config, split(words, 0, 0, "key=value"));
    if (*golden) return lact::verify_golden_command(split(words, 0, any, "path"), json);
    if (*bench_train) return lact::bench_train_command(with_config(split(words, 0, 1, "one config file")), json);
    if (*gemm) return lact::bench_gemm_command(split(words, 0, 0, "key=value"), json);
    if (*fast_weights) return lact::bench_fast_weights_command(split(words, 0, 0, "key=value"), json);
    if (*newton_schulz) return lact::bench_newton_schulz_command(split(words, 0, 0, "key=value"), json);
    if (*attention) return lact::bench_attention_command(split(words, 0, 0, "key=value"), json);
    if (*copy) return lact::bench_copy_command(split(words, 0, 0, "key=value"), json);
    if (*comm) return lact::bench_comm_command(split(words, 0, 0, "key=value"), json);
    if (*ttt) return lact::bench_ttt_command(split(words, 0, 0, "key=value"), json);
    if (*plan && check_plan) return lact::plan_check_command(split(words, 1, 1, "one run folder"), json);
    if (*plan) return lact::plan_command(with_config(split(words, 1, 1, "one config file")), json, kernels);
    if (*weights)
      return lact::convert_weights_command(split(words, 2, 2, "RUN OUT.safetensors, or IN.safetensors RUN"));
    if (*synthetic) return lact::convert_synthetic_command(split(words, 1, 1, "one new folder"));
    if (*text) return lact::convert_text_command(split(words, 1, 1, "one folder"));
    return lact::inspect_command(config, follow_links, json);
  }
};

// Most that is wrong is wrong on all ranks. Rank 0 says it, and the others end through that meanwhile: sooner where MPI
// runs than where the launcher has to notice. They speak where they are alone with it.
void let_rank_0_speak() {
  const int ranks = lact::world_info().ranks;
  if (lact::launch_of().rank > 0) std::this_thread::sleep_for(std::chrono::seconds(ranks > 1 ? 2 : 4));
}

// Errors of the house name a file, a key or a value; those of the standard library are told with the command.
std::string told(const std::exception& e, int argc, char** argv) {
  if (dynamic_cast<const lact::Error*>(&e) != nullptr) return e.what();
  std::string command = "lact";
  for (int i = 1; i < argc; ++i) command += std::string(" ") + argv[i];
  const bool memory = dynamic_cast<const std::bad_alloc*>(&e) != nullptr;
  return command + ": " + (memory ? "the memory of this host, or its limit (ulimit -v), is used up" : e.what());
}

}  // namespace

int lact::program(int argc, char** argv) {
  lact::begin_process(argv);
  CommandLine line;
  try {
    line.app.parse(argc, argv);
    int status = line.run();
    lact::check(bool(std::cout.flush()) || lact::reader_of_stdout_has_gone(),
                "the results cannot be written to stdout");
    return status;
  } catch (const CLI::ParseError& e) {
    let_rank_0_speak();
    return line.app.exit(e) == 0 ? lact::exit_done : lact::exit_usage;
  } catch (const std::exception& e) {
    let_rank_0_speak();
    lact::log::error("{}", told(e, argc, argv));
    lact::abort_world(lact::exit_error);  // the other ranks would wait for this one
    return lact::exit_error;
  }
}
