#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "data/views/animation.hpp"
#include "models/view_synthesis/dataset.hpp"
#include "models/view_synthesis/evaluate.hpp"
#include "models/view_synthesis/task.hpp"
#include "train/run_on_data.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

constexpr std::int64_t frames = 60;
constexpr double frames_per_second = 20, degrees = 180 / 3.14159265358979323846;
constexpr std::size_t turntables = 4;  // scenes that get one

std::array<double, 3> position(const Pose& p) { return {p[3], p[7], p[11]}; }
double length(const std::array<double, 3>& v) { return std::hypot(v[0], v[1], v[2]); }

// True when the cameras stand around the origin and look at it, z up: then a round trip is what a person expects.
bool around_origin(const std::vector<Camera>& cameras) {
  for (const Camera& c : cameras) {
    auto p = position(c.c2w);
    double along = p[0] * c.c2w[2] + p[1] * c.c2w[6] + p[2] * c.c2w[10], d = length(p);
    if (d == 0 || along > -0.9 * d) return false;
  }
  return true;
}

std::vector<Camera> flight(const ViewSource& source, const ViewChoice& choice, const DataConfig& cfg, double fx) {
  std::vector<Camera> given;
  for (std::int64_t v : choice.inputs) given.push_back(source.camera(choice.scene, v));
  if (cfg.scene_pose_normalize || !around_origin(given)) return {};
  double radius = 0, elevation = 0, n = double(given.size());
  for (const Camera& c : given) {
    auto p = position(c.c2w);
    radius += length(p) / n;
    elevation += std::asin(p[2] / length(p)) * degrees / n;
  }
  Turntable t;
  t.width = cfg.width(), t.height = cfg.height(), t.views = frames;
  t.hfov = 2 * std::atan(double(cfg.width()) / 2 / fx) * degrees;
  t.min_radius = t.max_radius = radius;
  t.elevation = elevation, t.swing = std::min(10.0, 85 - std::abs(elevation));
  return turntable_cameras(t);
}

struct Cameras {  // [1, v, 4] and [1, v, 4, 4]
  Tensor intrinsics, poses;
};

// A turntable, or blends between the input cameras where they do not stand around one point.
Cameras path_of(const ViewSource& source, const ViewChoice& choice, const DataConfig& cfg, const ViewBatch& b,
                Device& d) {
  std::vector<Camera> cameras = flight(source, choice, cfg, double(b.intrinsics.to_floats()[0]));
  if (cameras.empty()) {
    std::vector<double> k = b.intrinsics.to_doubles(), p = b.poses.to_doubles();
    std::vector<Camera> inputs(std::size_t(b.input_views));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      inputs[i].fx = k[4 * i], inputs[i].fy = k[4 * i + 1], inputs[i].cx = k[4 * i + 2], inputs[i].cy = k[4 * i + 3];
      std::copy_n(p.begin() + std::ptrdiff_t(16 * i), 16, inputs[i].c2w.begin());
    }
    cameras = interpolate_cameras(inputs, 4);
  }
  std::vector<double> k, p;
  for (const Camera& c : cameras) {
    k.insert(k.end(), {c.fx, c.fy, c.cx, c.cy});
    p.insert(p.end(), c.c2w.begin(), c.c2w.end());
  }
  auto n = std::int64_t(cameras.size());
  return {Tensor::of(d, {1, n, 4}, std::span<const double>(k)),
          Tensor::of(d, {1, n, 4, 4}, std::span<const double>(p))};
}

void write_turntable(const std::string& path, ViewSynthesis& model, Ctx c, const ViewSource& source, ViewSample sample,
                     const DataConfig& cfg) {
  const ViewChoice choice = sample.choice;
  const ViewBatch b = batch_of(std::move(sample), cfg, c.device);
  ViewSynthesis::States states = model.reconstruct(c, inputs_of(b));
  Cameras cameras = path_of(source, choice, cfg, b, c.device);
  Tensor images = render_views(model, c, states, cameras.intrinsics, cameras.poses, cfg.height(), cfg.width());
  std::vector<Image> pictures;
  for (std::int64_t i = 0; i < images.dim(0); ++i)
    pictures.push_back(to_image(images.select(0, i).to_floats(), cfg.height(), cfg.width()));
  write_gif(path, pictures, frames_per_second);
  std::cout << fill("{}\n", {path});
}

// Inputs alone, as many as the model was trained with or as there are.
ViewChoice inputs_without_targets(const ViewSource& source, std::int64_t scene, DataConfig cfg) {
  const std::string title = source.scene_title(scene);
  cfg.num_input_views = std::min(cfg.num_input_views, source.views(scene));
  return given_views(scene, evaluation_inputs(split_views(source.views(scene), {}, title), cfg, title), {});
}

}  // namespace

int render_command(Arguments args) {
  std::string scene = args.take_path("scene"), out = args.take_path("out");
  const std::string& run = args.plain[0];
  if (!scene.empty()) args.overrides.push_back("data.path=" + scene);
  const auto [config, data] = run_on_data(run, args.overrides);
  check(config.task_name == ViewSynthesisTask::task_name, "{}: lact render shows views, which task={} has not", run,
        config.task_name);
  const auto& views = dynamic_cast<const ViewDataset&>(*data);
  const WatchedViews& source = *views.source();
  const DataConfig& cfg = views.config();
  LoadedModel loaded(config);
  auto& model = dynamic_cast<ViewSynthesis&>(*loaded.model);
  check(load_newest(run, loaded).step >= 0, "{}: has no checkpoint yet", run);
  if (out.empty()) out = run + "/images";
  make_folder(out, "out=" + out);

  Ctx c = loaded.context();
  const ViewEvaluation e = evaluate(model, c, source, cfg);
  std::vector<ViewChoice> choices = e.choices;
  for (const ViewChoice& choice : choices) {  // a comparison where views are held out
    std::string path = out + "/" + source.scene_name(choice.scene) + "_sheet.png";
    write_png(path, sheet_of(e, choice.scene, cfg));
    std::cout << fill("{}\n", {path});
  }
  if (choices.empty())
    for (std::int64_t s = 0; s < std::min(source.scenes(), std::int64_t(turntables)); ++s)
      choices.push_back(inputs_without_targets(source, s, cfg));
  for (std::size_t i = 0; i < choices.size(); ++i) {  // the first scenes, and every scene never trained on
    bool novel = std::ranges::find(cfg.held_out_scenes, choices[i].scene) != cfg.held_out_scenes.end();
    if (i >= turntables && !novel) continue;
    ViewSample sample = chosen_sample(source, choices[i], cfg);
    check(!sample.choice.inputs.empty(), "{}: all its pictures are damaged", source.scene_title(choices[i].scene));
    write_turntable(out + "/" + source.scene_name(choices[i].scene) + "_turntable.gif", model, c, source,
                    std::move(sample), cfg);
  }
  data->tell_damage(nullptr, loaded.mesh->world());
  return exit_done;
}

}  // namespace lact
