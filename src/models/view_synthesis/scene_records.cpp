#include "models/view_synthesis/scene_records.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/check.hpp"
#include "files/json.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t most_bytes = 1 << 28, most_pictures = 64;

class Fingerprint {  // FNV-1a
 public:
  void add(std::string_view bytes) {
    for (unsigned char c : bytes) hash_ = (hash_ ^ c) * 0x100000001b3u;
  }
  void add(double x) {
    add(fill("{:.6g} ", {std::abs(x) < 1e-9 ? 0.0 : x}));
  }  // as far as other machines compute alike
  std::string text() const { return fill("{:016x}", {std::int64_t(hash_ >> 1)}); }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

// By the list alone, which is the same for every process, whatever pictures it has looked at; in parts of the size that
// the list says, so that a scene that was made smaller has the same.
std::string fingerprint_of_cameras(const ViewSource& source, std::int64_t s) {
  Fingerprint one;
  for (std::int64_t v = 0; v < source.views(s); ++v) {
    const Camera c = source.camera(s, v);
    const double w = c.width > 0 ? double(c.width) : 1, h = c.height > 0 ? double(c.height) : 1;
    for (const double x : {c.fx / w, c.fy / h, c.cx / w, c.cy / h}) one.add(x);
    for (const double x : c.c2w) one.add(x);
  }
  return one.text();
}

// Empty where the picture has no file, is damaged or cannot be read: who needs it will say so.
std::string fingerprint_of_picture(const ViewSource& source, std::int64_t s, std::int64_t v) {
  try {
    const std::optional<FileReader> file = source.file(s, v);
    if (!file) return "";
    source.looked_at(s, v);
    Fingerprint one;
    each_block(*file, [&](std::string_view block) { one.add(block); });
    return one.text();
  } catch (const Error&) {
    return "";
  }
}

std::vector<std::string> names_of_pictures(const ViewSource& source, std::int64_t s) {
  std::vector<std::string> names;
  for (std::int64_t v = 0; v < source.views(s); ++v) {
    const std::string image = source.camera(s, v).image;
    if (!image.empty()) names.push_back(fs::path(image).filename().string());
  }
  return names;
}

Json indices(const std::vector<std::int64_t>& v) {
  Json list = Json::array();
  for (std::int64_t i : v) list.push(i);
  return list;
}

Json json_of(const SceneRecord& r) {
  Json one = Json::object({{"scene", r.name}, {"train", indices(r.train)}, {"held_out", indices(r.held_out)}});
  Json pictures = Json::array(), contents = Json::object();
  for (const std::string& name : r.pictures) pictures.push(name);
  if (!r.pictures.empty()) one.set("pictures", pictures);
  for (const auto& [view, text] : r.contents) contents.set(std::to_string(view), text);
  return one.set("fingerprint", Json::object({{"cameras", r.cameras}, {"pictures", contents}}));
}

std::vector<std::int64_t> integers(const Json& list) {
  std::vector<std::int64_t> all;
  for (const Json& i : list.items()) all.push_back(i.integer());
  return all;
}

SceneRecord record_of(const Json& one) {
  SceneRecord r{one["scene"].text(), integers(one["train"]), integers(one["held_out"]), {}, {}, {}};
  if (one.has("pictures"))
    for (const Json& name : one["pictures"].items()) r.pictures.push_back(name.text());
  if (!one.has("fingerprint") || !one["fingerprint"].is_object()) return r;
  r.cameras = one["fingerprint"]["cameras"].text();
  for (const auto& [view, text] : one["fingerprint"]["pictures"].members()) {
    const bool number = !view.empty() && view.size() < 10 && view.find_first_not_of("0123456789") == view.npos;
    check(number, "{} has no view '{}'", one.where(), view);
    r.contents[std::stoll(view)] = text.text();
  }
  return r;
}

bool is_like(const SceneRecord& record, const ViewSource& source, std::int64_t s, const std::string& cameras) {
  if (!record.pictures.empty() && record.pictures != names_of_pictures(source, s)) return false;
  if (!record.cameras.empty()) return record.cameras == cameras;
  const auto train = std::int64_t(record.train.size()), held_out = std::int64_t(record.held_out.size());
  return record.name == source.scene_name(s) && (train == 0 || train + held_out == source.views(s));
}

}  // namespace

std::vector<SceneRecord> scene_views(const ViewSource& source, const DataConfig& cfg,
                                     std::span<const SceneViews> training) {
  std::vector<SceneRecord> all;
  for (std::int64_t s = 0; s < source.scenes(); ++s) {
    SceneRecord& r = all.emplace_back();
    r.name = source.scene_name(s);
    r.held_out = split_views(source.views(s), cfg.held_out, source.scene_title(s)).held_out;
    r.pictures = names_of_pictures(source, s);
  }
  for (const SceneViews& s : training) all[std::size_t(s.scene)].train = s.train;
  return all;
}

std::vector<SceneRecord> scene_records(const ViewSource& source, const DataConfig& cfg,
                                       std::span<const SceneViews> training) {
  std::vector<SceneRecord> all = scene_views(source, cfg, training);
  std::int64_t views = 0, at = 0;
  for (std::int64_t s = 0; s < source.scenes(); ++s) views += source.views(s);
  const std::int64_t pictures = std::min(views, most_pictures);
  for (std::int64_t s = 0; s < source.scenes(); ++s) {
    SceneRecord& r = all[std::size_t(s)];
    r.cameras = fingerprint_of_cameras(source, s);
    for (std::int64_t v = 0; v < source.views(s); ++v, ++at) {
      if (at * pictures / views == (at + 1) * pictures / views) continue;
      if (std::string text = fingerprint_of_picture(source, s, v); !text.empty()) r.contents[v] = std::move(text);
    }
  }
  return all;
}

std::string text_of(const std::vector<SceneRecord>& records) {
  Json all = Json::array();
  for (const SceneRecord& r : records) all.push(json_of(r));
  return all.dump() + "\n";
}

std::optional<std::vector<SceneRecord>> records_in(const std::string& run_folder) {
  const std::string path = run_folder + "/views.json";
  if (!fs::exists(path)) return {};
  std::vector<SceneRecord> records;
  for (const Json& one : Json::read(path, most_bytes).items()) records.push_back(record_of(one));
  return records;
}

bool is_like(const SceneRecord& record, const ViewSource& source, std::int64_t s) {
  return is_like(record, source, s, fingerprint_of_cameras(source, s));
}

Contents contents_of(const SceneRecord& record, const ViewSource& source, std::int64_t s, std::string* changed) {
  Contents found = Contents::unknown;
  for (const auto& [view, text] : record.contents) {
    if (view >= source.views(s)) continue;
    const std::string now = fingerprint_of_picture(source, s, view);
    if (now.empty()) continue;
    if (now == text) {
      found = Contents::same;
      continue;
    }
    if (changed != nullptr) *changed = source.camera(s, view).image;
    return Contents::changed;
  }
  return found;
}

std::vector<std::int64_t> known_scenes(const std::vector<SceneRecord>& of_run, const ViewSource& source) {
  std::multimap<std::string, std::int64_t> by_cameras, by_name;  // the latter where there is no fingerprint
  for (std::int64_t r = 0; const SceneRecord& record : of_run) {
    auto& map = record.cameras.empty() ? by_name : by_cameras;
    map.emplace(record.cameras.empty() ? record.name : record.cameras, r++);
  }
  std::vector<std::int64_t> known;
  std::vector<bool> taken(of_run.size());
  for (std::int64_t s = 0; s < source.scenes(); ++s) {
    const std::string cameras = fingerprint_of_cameras(source, s);
    std::int64_t found = -1;  // of several that are the same the first that no other scene is yet
    auto look_among = [&](auto range) {
      for (auto at = range.first; at != range.second && (found < 0 || taken[std::size_t(found)]); ++at) {
        const SceneRecord& record = of_run[std::size_t(at->second)];
        if (!is_like(record, source, s, cameras)) continue;
        // Scenes of one rig have the same cameras. Where no picture was read the name alone tells them apart.
        const Contents c = contents_of(record, source, s);
        if (c == Contents::same || (c == Contents::unknown && record.name == source.scene_name(s))) found = at->second;
      }
    };
    look_among(by_cameras.equal_range(cameras));
    look_among(by_name.equal_range(source.scene_name(s)));
    if (found >= 0) taken[std::size_t(found)] = true;
    known.push_back(found);
  }
  return known;
}

}  // namespace lact
