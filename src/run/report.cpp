#include "run/report.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string_view>

#include "base/check.hpp"
#include "base/log.hpp"

namespace lact {
namespace {

constexpr std::string_view prefix = "eval_";  // of the values of evaluations

std::string path_of(const std::string& run_folder) { return run_folder + "/metrics.jsonl"; }

std::string text_of(const std::string& path) {
  return std::filesystem::exists(path) ? read_text(path, std::numeric_limits<std::int64_t>::max()) : "";
}

std::string cut_to(std::int64_t last_step, const std::string& run_folder) {
  const std::string path = path_of(run_folder);
  std::string kept;
  each_row(run_folder, [&](const Json& row, std::string_view line) {
    if (row["step"].integer() <= last_step) kept += line;
  });
  if (kept != text_of(path)) write_whole(path, kept);
  return path;
}

}  // namespace

void each_row(const std::string& run_folder, const std::function<void(const Json& row, std::string_view line)>& take) {
  const std::string path = path_of(run_folder), all = text_of(path);
  std::string_view text = all;
  for (std::int64_t number = 1; text.find('\n') != std::string_view::npos; ++number) {
    const std::string_view line = text.substr(0, text.find('\n') + 1);
    text.remove_prefix(line.size());
    try {
      take(Json::parse(line, sentence("{}:{}", path, number)), line);
    } catch (const Error& e) {
      log::warning("{}; the row is left out", e.what());
    }
  }
}

bool has_evaluation(const std::string& run_folder, std::int64_t step) {
  bool found = false;
  each_row(run_folder, [&](const Json& row, std::string_view) {
    const bool evaluation =
        std::ranges::any_of(row.members(), [](const auto& member) { return member.first.starts_with(prefix); });
    found |= row["step"].integer() == step && evaluation;
  });
  return found;
}

Report::Report(const std::string& run_folder, std::int64_t last_step)
    : path_(cut_to(last_step, run_folder)), file_(FileWriter::at_end(path_)), events_(run_folder, last_step + 1) {}

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
  for (const auto& [name, value] : row.of_task) {
    line.set(name, value);
    shown.emplace_back("train/" + name, value);
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
