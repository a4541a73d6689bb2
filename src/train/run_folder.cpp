#include "train/run_folder.hpp"

#include <algorithm>
#include <filesystem>

#include "base/check.hpp"
#include "base/file_work.hpp"
#include "files/json.hpp"
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

Json indices(const std::vector<std::int64_t>& v) {
  Json list = Json::array();
  for (std::int64_t i : v) list.push(i);
  return list;
}

class Fingerprint {  // FNV-1a
 public:
  void add(std::string_view bytes) {
    for (unsigned char c : bytes) hash_ = (hash_ ^ c) * 0x100000001b3u;
  }
  void add_file(const std::string& path) {
    try {
      const FileReader file(path);
      std::string block(1 << 20, '\0');
      for (std::int64_t at = 0, n = 1; n > 0; at += n) {
        n = file.read(block.data(), std::int64_t(block.size()), at);
        add({block.data(), std::size_t(n)});
      }
    } catch (const Error&) {  // who needs the picture will say so
      add("unreadable");
    }
  }
  std::string text() const { return fill("{:016x}", {std::int64_t(hash_ >> 1)}); }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

// Of all cameras, as far as another machine computes them alike, and of 64 pictures of all scenes, evenly spread.
std::vector<std::string> fingerprints(const ViewSource& source) {
  constexpr std::int64_t most = 64;
  std::int64_t views = 0, at = 0;
  for (std::int64_t s = 0; s < source.scenes(); ++s) views += source.views(s);
  const std::int64_t pictures = std::min(views, most);
  std::vector<std::string> all;
  for (std::int64_t s = 0; s < source.scenes(); ++s) {
    Fingerprint one;
    for (std::int64_t v = 0; v < source.views(s); ++v, ++at) {
      const Camera c = source.camera(s, v);
      one.add(fill("{:.6g} {:.6g} {:.6g} {:.6g}", {c.fx, c.fy, c.cx, c.cy}));
      for (double x : c.c2w) one.add(fill(" {:.6g}", {x + 0.0}));
      if (!c.image.empty() && at * pictures / views != (at + 1) * pictures / views) one.add_file(c.image);
    }
    all.push_back(one.text());
  }
  return all;
}

Json views_of(const ViewSource& source, const DataConfig& cfg, std::span<const SceneViews> training_views) {
  Json scenes = Json::array();
  std::vector<std::vector<std::int64_t>> training(std::size_t(source.scenes()));
  for (const SceneViews& s : training_views) training[std::size_t(s.scene)] = s.train;
  for (std::int64_t s = 0; s < source.scenes(); ++s) {
    Split split = split_views(source.views(s), cfg.held_out, source.scene_title(s));
    Json one = Json::object({{"scene", source.scene_name(s)},
                             {"train", indices(training[std::size_t(s)])},
                             {"held_out", indices(split.held_out)}});
    Json pictures = Json::array();
    for (std::int64_t v = 0; v < source.views(s); ++v)
      pictures.push(fs::path(source.camera(s, v).image).filename().string());
    if (!source.camera(s, 0).image.empty()) one.set("pictures", pictures);
    scenes.push(one);
  }
  return scenes;
}

Json without(const Json& scene, std::string_view left_out) {
  Json kept = Json::object();
  for (const auto& [key, value] : scene.members())
    if (key != left_out) kept.set(key, value);
  return kept;
}

// Whether the scenes that a run wrote down are those of now, which lie elsewhere: their folders' names say less than
// their fingerprints, which runs did not always have.
bool same_elsewhere(const Json& before, const Json& now, const ViewSource& source) {
  if (before.size() != now.size()) return false;
  const std::vector<std::string> prints = fingerprints(source);
  for (std::int64_t s = 0; s < now.size(); ++s) {
    const bool known = before.at(s).has("fingerprint");
    if (known && before.at(s)["fingerprint"].text() != prints[std::size_t(s)]) return false;
    const Json a = without(before.at(s), "fingerprint"), b = now.at(s);
    if (known ? without(a, "scene").dump() != without(b, "scene").dump() : a.dump() != b.dump()) return false;
  }
  return true;
}

std::string without_fingerprints(std::string text) {
  const std::string begin = ", \"fingerprint\": \"";
  for (std::size_t at = 0; (at = text.find(begin, at)) != text.npos;)
    text.erase(at, text.find('"', at + begin.size()) + 1 - at);
  return text;
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

std::string views_text(const ViewSource& source, const DataConfig& cfg, std::span<const SceneViews> training) {
  const std::vector<std::string> prints = fingerprints(source);
  Json all = Json::array();
  for (Json scene : views_of(source, cfg, training).items())
    all.push(scene.set("fingerprint", prints[std::size_t(all.size())]));
  return all.dump() + "\n";
}

void check_same_views(const RunConfig& now, const ViewSource& source, std::span<const SceneViews> training,
                      bool has_steps) {
  const std::string path = now.run.dir + "/views.json";
  if (!fs::exists(path)) return;
  const Path before = stored_in(now.run.dir).data.path;
  const bool elsewhere = before.place() != now.data.path.place();
  if (!has_steps && !elsewhere) return;
  const Json views = views_of(source, now.data, training);
  const std::string stored = read_text(path, 1 << 28);
  const bool same = elsewhere ? same_elsewhere(Json::parse(stored, path, 1 << 28), views, source)
                              : without_fingerprints(stored) == views.dump() + "\n";
  check(same || elsewhere, "{}: the scenes or their views are no longer those that the run began with", path);
  check(same, "data.path={}: other scenes or views than those that the run in {} began with at data.path={}",
        now.data.path, now.run.dir, before);
}

bool has_fingerprints_of(const std::string& run_folder, const ViewSource& source) {
  const std::string path = run_folder + "/views.json";
  if (!fs::exists(path)) return false;
  const Json stored = Json::read(path, 1 << 28);
  if (stored.size() != source.scenes()) return false;
  const std::vector<std::string> prints = fingerprints(source);
  for (std::int64_t s = 0; s < stored.size(); ++s)
    if (!stored.at(s).has("fingerprint") || stored.at(s)["fingerprint"].text() != prints[std::size_t(s)]) return false;
  return true;
}

RunConfig config_of_run(const std::string& run_folder, const std::vector<std::string>& overrides) {
  check(fs::exists(run_folder + "/config.yaml"), "{}: holds no run (there is no config.yaml in it)", run_folder);
  RunConfig c = stored_in(run_folder, overrides);
  const bool told = std::ranges::any_of(overrides, [](const std::string& o) { return o.starts_with("data.path="); });
  if (!told) c.data.path = data_beside(c.data.path, c.run.dir, run_folder);
  c.run.dir = run_folder;
  return c;
}

std::unique_ptr<WatchedViews> open_views_of_run(const RunConfig& cfg) {
  try {
    return open_views(cfg.data);
  } catch (const Error& e) {
    if (cfg.data.path.empty()) throw;
    fail("{} (data.path={} of the run in {}; where its data have moved, data.path=PLACE says where to)", e.what(),
         cfg.data.path, cfg.run.dir);
  }
}

}  // namespace lact
