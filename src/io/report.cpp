#include "io/report.hpp"

#include <filesystem>
#include <functional>
#include <limits>
#include <string_view>

#include "base/check.hpp"
#include "base/log.hpp"
#include "files/json.hpp"

namespace lact {
namespace {

// Each whole line of the text as a row; what stands behind the last line break is torn. A line that a crash of the
// machine damaged is dropped with a warning, because a report is not worth a run.
void each_row(std::string_view text, const std::string& path,
              const std::function<void(const Json& row, std::string_view line)>& take) {
  for (std::int64_t number = 1; text.find('\n') != std::string_view::npos; ++number) {
    const std::string_view line = text.substr(0, text.find('\n') + 1);
    text.remove_prefix(line.size());
    try {
      take(Json::parse(line, sentence("{}:{}", path, number)), line);
    } catch (const Error& e) {
      log::warning("{}; the row is dropped", e.what());
    }
  }
}

std::string cut_to(std::int64_t last_step, const std::string& path) {
  if (std::filesystem::exists(path)) {
    const std::string before = read_text(path, std::numeric_limits<std::int64_t>::max());
    std::string kept;
    each_row(before, path, [&](const Json& row, std::string_view line) {
      if (row["step"].integer() <= last_step) kept += line;
    });
    if (kept != before) write_whole(path, kept);
  }
  return path;
}

}  // namespace

bool has_evaluation(const std::string& run_folder, std::int64_t step) {
  const std::string path = run_folder + "/metrics.jsonl";
  if (!std::filesystem::exists(path)) return false;
  bool found = false;
  each_row(read_text(path, std::numeric_limits<std::int64_t>::max()), path, [&](const Json& row, std::string_view) {
    found |= row["step"].integer() == step && (row.has("eval_psnr") || row.has("eval_novel_psnr"));
  });
  return found;
}

Report::Report(const std::string& run_folder, std::int64_t last_step)
    : path_(cut_to(last_step, run_folder + "/metrics.jsonl")),
      file_(FileWriter::at_end(path_)),
      events_(run_folder, last_step + 1) {}

void Report::step(const StepRow& row) {
  NamedValues shown = {{"train/loss", row.loss}, {"train/grad_norm", row.grad_norm},
                       {"train/lr", row.lr},     {"speed/tokens_per_second", row.tokens_per_second},
                       {"speed/mfu", row.mfu},   {"speed/memory_bytes", double(row.memory_bytes)}};
  Json line = Json::object({{"step", row.step},
                            {"loss", row.loss},
                            {"grad_norm", row.grad_norm},
                            {"lr", row.lr},
                            {"tokens", row.tokens},
                            {"seconds", row.seconds},
                            {"tokens_per_second", row.tokens_per_second},
                            {"model_flops", row.model_flops},
                            {"mfu", row.mfu},
                            {"memory_bytes", row.memory_bytes}});
  if (row.psnr) {
    line.set("psnr", *row.psnr);
    shown.emplace_back("train/psnr", *row.psnr);
  }
  if (!row.skipped.empty()) line.set("skipped", row.skipped);
  if (row.ranks > 1) {
    line.set("ranks", row.ranks).set("collectives", row.collectives).set("sent_bytes", row.sent_bytes);
    line.set("exchange_seconds", row.exchange_seconds);
    shown.emplace_back("speed/exchange_seconds", row.exchange_seconds);
  }
  file_.write(line.dump() + '\n');
  events_.scalars(row.step, shown);
}

void Report::evaluation(std::int64_t step, const NamedValues& values) {
  constexpr std::string_view prefix = "eval_";
  Json line = Json::object({{"step", step}});
  NamedValues shown;
  for (const auto& [name, value] : values) {
    check(name.starts_with(prefix), "an evaluation reports '{}', which does not begin with {}", name, prefix);
    line.set(name, value);
    shown.emplace_back("eval/" + name.substr(prefix.size()), value);
  }
  file_.write(line.dump() + '\n');
  events_.scalars(step, shown);
}

void Report::picture(std::int64_t step, const std::string& tag, const std::string& png_path) {
  events_.picture(step, tag, png_path);
}

}  // namespace lact
