// The keys below `data`.
#pragma once
#include "base/config.hpp"
#include "data/views/synthetic.hpp"

namespace lact {

struct DataConfig {
  Path path;
  std::vector<std::int64_t> image_size{256, 256};  // H W
  std::int64_t num_all_views = 15, num_input_views = 8, num_target_views = 8;
  bool scene_pose_normalize = false, follow_links = false;
  std::vector<std::int64_t> held_out, held_out_scenes, eval_inputs;
  std::string damaged = "skip";
  std::int64_t threads = 1, cache_mb = 1024;
  SyntheticConfig synthetic;

  std::int64_t height() const { return image_size[0]; }
  std::int64_t width() const { return image_size[1]; }
  bool skips_damaged() const { return damaged == "skip"; }

  void fields(Fields& f) {
    f("path", path,
      "a scene folder with opencv_cameras.json, such a camera file, or an index (a JSON list of camera files); empty: "
      "generated scenes");
    f("follow_links", follow_links,
      "pictures and camera files may be links that lead out of the folder of their scene");
    f("image_size", image_size, "height and width of the pictures that the model sees");
    f("num_all_views", num_all_views, "distinct training views drawn for a sample");
    f("num_input_views", num_input_views, "the first of them are inputs");
    f("num_target_views", num_target_views, "the last of them are targets; a view may be both");
    f("scene_pose_normalize", scene_pose_normalize, "centre, turn and scale the poses of each sample by their mean");
    f("held_out", held_out, "indices of views that no training sample contains, in every scene");
    f("held_out_scenes", held_out_scenes, "indices of scenes that no training sample contains");
    f("eval_inputs", eval_inputs, "indices of the input views of an evaluation; empty: training views, evenly spread");
    f("damaged", damaged,
      "a damaged picture: skip goes on without its view and says so; refuse reads every picture before the first step");
    f("threads", threads, "threads that prepare samples ahead; 0 prepares them when asked");
    f("cache_mb", cache_mb, "megabytes of decoded and resized pictures kept in memory");
    f.section("synthetic", synthetic);
  }
};

// Refuses values that fit no data at all. What depends on the scenes is refused by split_views and training_views.
void check_data(const DataConfig& config);

}  // namespace lact
