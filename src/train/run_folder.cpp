#include "train/run_folder.hpp"

#include <algorithm>
#include <filesystem>

#include "base/check.hpp"
#include "base/file_work.hpp"
#include "base/log.hpp"
#include "files/whole_file.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

// Names that shells, launchers and batch systems give to what a program says.
bool is_log(const std::string& name) {
  const auto dot = name.rfind('.');
  const std::string ending = dot == name.npos ? "" : name.substr(dot + 1);
  const bool of_job = ending.size() > 1 && (ending[0] == 'o' || ending[0] == 'e') &&  // job.o123, job.e123
                      ending.find_first_not_of("0123456789", 1) == ending.npos;
  return name == "log" || name == "logs" || name.find(".log") != name.npos || ending == "out" || ending == "err" ||
         of_job;
}

// A start that was killed left at most the half-written config; a profile may have been made before.
bool may_lie_there(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  if (name.starts_with('.') || name == "lost+found" || name == "config.yaml.partial" || name == "profile") return true;
  std::error_code unknown;
  return is_log(name) || (fs::is_empty(entry, unknown) && !unknown);
}

RunConfig stored_in(const std::string& folder, const std::vector<std::string>& overrides = {}) {
  const std::string path = folder + "/config.yaml";
  return RunConfig::stored(read_text(path, 1 << 22), path, overrides);
}

// Both paths of a stored config are absolute or, in older runs, as seen from one folder that is not known any more.
Path data_beside(const Path& data, const std::string& run_dir, const std::string& run_folder) {
  const fs::path from(static_cast<const std::string&>(run_dir));
  if (data.empty() || run_dir.empty() || *from.lexically_normal().begin() == "..") return data;
  const fs::path way = fs::path(static_cast<const std::string&>(data)).lexically_relative(from);
  const Path moved = way.empty() ? "" : Path((fs::path(Path(run_folder).place()) / way).string()).place();
  const bool seen_from_anywhere = data.starts_with('/') && fs::exists(static_cast<const std::string&>(data));
  return seen_from_anywhere || moved.empty() || !fs::exists(moved.c_str()) ? data : moved;
}

}  // namespace

void check_usable(const std::string& folder) {
  const FileWork work("opening", folder);
  if (!fs::exists(folder)) return;
  check(fs::is_directory(folder), "run.dir={} is a file", folder);
  if (fs::exists(folder + "/config.yaml")) return;
  for (const auto& entry : fs::directory_iterator(folder))
    check(may_lie_there(entry), "run.dir={} holds no run but other files: {}", folder, entry.path().string());
}

void check_same_run(const RunConfig& now_wanted) {
  if (!fs::exists(now_wanted.run.dir + "/config.yaml")) return;
  const RunConfig before = stored_in(now_wanted.run.dir);
  for (const Difference& d : forbidden_differences(before, now_wanted))
    fail("run.dir={} holds a run with {}={}, and {} was asked; take another run.dir", now_wanted.run.dir, d.key,
         d.a.empty() ? "(nothing)" : d.a, d.b.empty() ? "(nothing)" : d.b);
}

Path data_path_of_run(const std::string& run_folder) {
  return fs::exists(run_folder + "/config.yaml") ? stored_in(run_folder).task->data_path() : Path();
}

RunConfig config_of_run(const std::string& run_folder, const std::vector<std::string>& overrides) {
  check(fs::exists(run_folder + "/config.yaml"), "{}: holds no run (there is no config.yaml in it)", run_folder);
  RunConfig c = stored_in(run_folder, overrides);
  const bool told = std::ranges::any_of(overrides, [](const std::string& o) { return o.starts_with("data.path="); });
  if (!told) c.task->set_data_path(data_beside(c.task->data_path(), c.run.dir, run_folder));
  c.run.dir = run_folder;
  return c;
}

std::unique_ptr<Dataset> open_data_of_run(const RunConfig& cfg) {
  try {
    return cfg.task->open_data(true);
  } catch (const Error& e) {
    const Path& path = cfg.task->data_path();
    if (path.empty()) throw;
    fail("{} (data.path={} of the run in {}; where its data have moved, data.path=PLACE says where to)", e.what(), path,
         cfg.run.dir);
  }
}

}  // namespace lact
