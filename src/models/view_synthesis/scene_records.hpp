// views.json: which views of which scenes a run trains on and which it holds out, so that anyone can check that they do
// not meet, and fingerprints by which the scenes are known again elsewhere.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/views/view_choice.hpp"
#include "data/views/view_source.hpp"

namespace lact {

struct SceneRecord {
  std::string name;
  std::vector<std::int64_t> train, held_out;
  std::vector<std::string> pictures;             // names of the files; none of a generated scene
  std::string cameras;                           // fingerprint of what the list says; empty in older runs
  std::map<std::int64_t, std::string> contents;  // fingerprints of some pictures, by view
};

// Of all scenes, without fingerprints.
std::vector<SceneRecord> scene_views(const ViewSource& source, const DataConfig& cfg,
                                     std::span<const SceneViews> training);
// With them: 64 of all their pictures, evenly spread, are read for it. Damaged ones, and those that cannot be read,
// have none.
std::vector<SceneRecord> scene_records(const ViewSource& source, const DataConfig& cfg,
                                       std::span<const SceneViews> training);
std::string text_of(const std::vector<SceneRecord>& records);
// Of the run in a folder; nothing where it wrote none, as one of converted weights.
std::optional<std::vector<SceneRecord>> records_in(const std::string& run_folder);

// Whether the scene has the recorded cameras and names of pictures. A record of a generated scene takes files of any
// name; one without a fingerprint asks for the scene's name instead.
bool is_like(const SceneRecord& record, const ViewSource& source, std::int64_t scene);
// Of the recorded pictures that can be read now. `changed`: the file of the first that is another.
enum class Contents : std::uint8_t { same, changed, unknown };
Contents contents_of(const SceneRecord& record, const ViewSource& source, std::int64_t scene,
                     std::string* changed = nullptr);
// Which scene of the run each scene of the source is, whatever its folder is called; -1 where it is none.
std::vector<std::int64_t> known_scenes(const std::vector<SceneRecord>& of_run, const ViewSource& source);

}  // namespace lact
