// The commands of `lact`, one file each. They print results on stdout and return the exit status.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/path.hpp"

namespace lact {

constexpr int exit_done = 0, exit_error = 1, exit_usage = 2, exit_stopped = 75;

// Arguments after the options: "key=value" apart from the rest.
struct Arguments {
  std::vector<std::string> plain, overrides;
  static Arguments split(const std::vector<std::string>& all);
  // Takes "key=..." out of the overrides, of several the last; `otherwise` if it is not there.
  std::string take(const std::string& key, const std::string& otherwise = "");
  std::int64_t take_number(const std::string& key, const std::string& otherwise);  // digits alone
  Path take_path(const std::string& key, const std::string& otherwise = "");       // "~" is the home directory
};

// Of "1,2,4"; none where anything but positive numbers of up to nine digits stands there.
std::vector<std::int64_t> numbers_in(const std::string& list);

// A config or machine file as named, or the installed one of that name where the program is installed and no such file
// is here: `configs/demo.yaml` works from any folder, as in the repository.
std::string config_file(const std::string& named);

int train_command(const std::string& config, const Arguments& args);
std::string help_config();  // every key of a config, its default and its sentence
// The keys that a command takes beside those of a config, likewise.
std::string profile_keys(), synthetic_keys(), text_keys(), gemm_keys(), fast_weights_keys(), newton_schulz_keys(),
    attention_keys(), copy_keys(), comm_keys(), ttt_keys(), generate_keys(), decode_keys(), eval_keys(), sweep_keys();
// Trains every combination of the values of keys that have several, "key=a,b", in turn.
int sweep_command(const std::string& config, Arguments args, bool json);
int eval_command(Arguments args, double above_baselines, bool json);
int render_command(Arguments args);
int generate_command(Arguments args, bool json);
int verify_golden_command(Arguments args, bool json);
int verify_causality_command(const Arguments& args, bool json);
int verify_layouts_command(const std::string& config, Arguments args, bool json);
int verify_layout_command(const std::string& config, Arguments args);  // one of them, on the ranks that were started
int profile_command(const std::string& config, Arguments args, bool json);
int bench_train_command(const Arguments& args, bool json);
int bench_gemm_command(const Arguments& args, bool json);
int bench_fast_weights_command(const Arguments& args, bool json);
int bench_newton_schulz_command(const Arguments& args, bool json);
int bench_attention_command(const Arguments& args, bool json);
int bench_copy_command(const Arguments& args, bool json);
int bench_comm_command(const Arguments& args, bool json);
int bench_ttt_command(const Arguments& args, bool json);
int bench_decode_command(const Arguments& args, bool json);
int plan_command(Arguments args, bool json, bool kernels);  // kernels: also those of the first layout
int plan_check_command(Arguments args, bool json);          // of a run: planned beside measured
// The description in a file; "here": this host with so many ranks, measured.
struct Machine machine_named(const std::string& file_or_here, const struct RunConfig& cfg, int ranks);
int convert_weights_command(const Arguments& args);
int convert_synthetic_command(const Arguments& args);
int convert_text_command(const Arguments& args);
int inspect_command(const std::string& path, bool follow_links, bool json);

}  // namespace lact
