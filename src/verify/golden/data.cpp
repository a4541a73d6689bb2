#include <algorithm>
#include <filesystem>

#include "base/check.hpp"
#include "data/views/cameras.hpp"
#include "data/views/images.hpp"
#include "data/views/scene_folder.hpp"
#include "verify/golden/golden.hpp"

namespace lact::golden {
namespace {

namespace fs = std::filesystem;

std::string scene_folder(Case& c) {
  std::string scene = c.hparams()["scene"].text();
  fs::path beside = fs::path(c.path()).parent_path() / ".." / ".." / "data" / scene;
  fs::path given = fs::path(c.data_folder()) / scene;
  if (!c.data_folder().empty()) {
    if (fs::exists(given / "opencv_cameras.json")) return given.string();
    if (fs::exists(fs::path(c.data_folder()) / "opencv_cameras.json")) return c.data_folder();
    fail("no pictures at {}", given.lexically_normal().string());
  }
  check(fs::exists(beside / "opencv_cameras.json"), "no pictures at {}", beside.lexically_normal().string());
  return beside.lexically_normal().string();
}

Tensor poses_tensor(Case& c, const std::vector<Pose>& poses) {
  std::vector<double> all;
  for (const Pose& p : poses) all.insert(all.end(), p.begin(), p.end());
  return Tensor::of(c.device(), {std::int64_t(poses.size()), 4, 4}, std::span<const double>(all), DType::f64);
}

std::vector<Pose> normalised(std::vector<Pose> poses) {
  normalise_poses(poses);
  return poses;
}

}  // namespace

void data_case(Case& c) {
  std::vector<Camera> cameras = load_cameras(scene_folder(c) + "/opencv_cameras.json");
  std::vector<std::int64_t> indices;
  for (const Json& i : c.hparams()["view_indices"].items()) indices.push_back(i.integer());
  auto h = int(c.hparams()["image_size_hw"].at(0).integer()), w = int(c.hparams()["image_size_hw"].at(1).integer());
  std::vector<double> pixels, means, intrinsics;
  std::vector<Pose> poses, sorted;
  for (std::int64_t i : indices) {
    check(i >= 0 && i < std::int64_t(cameras.size()), "view {} of a scene with {} views", i, cameras.size());
    Camera camera = cameras[std::size_t(i)];
    Image stored = decode_image(camera.image), image = resize_and_crop(stored, h, w);
    camera.width = stored.width, camera.height = stored.height;  // the picture's real size counts, not the list's
    PosedView view = fitted_view(camera, image);
    for (int ch = 0; ch < 3; ++ch) {
      double sum = 0;
      for (int at = 0; at < h * w; ++at) {
        pixels.push_back(image.pixels[std::size_t(at * 3 + ch)]);
        sum += pixels.back();
      }
      means.push_back(sum / (255.0 * h * w));
    }
    intrinsics.insert(intrinsics.end(), view.intrinsics.begin(), view.intrinsics.end());
    poses.push_back(camera.c2w);
  }
  auto order = indices;
  std::ranges::sort(order);
  for (std::int64_t i : order) sorted.push_back(cameras[std::size_t(i)].c2w);
  auto n = std::int64_t(indices.size());
  auto doubles = [&](const std::vector<double>& v, Shape s) {
    return Tensor::of(c.device(), std::move(s), std::span<const double>(v), DType::f64);
  };
  c.compare("image_u8", doubles(pixels, {n, 3, h, w}), Kind::exact);
  c.compare_if_present("image_mean_per_view_channel", doubles(means, {n, 3}), Kind::output);
  c.compare("fxfycxcy", doubles(intrinsics, {n, 4}), Kind::output);
  c.compare("c2w", poses_tensor(c, poses), Kind::output);
  c.compare_if_present("c2w_pose_normalized", poses_tensor(c, normalised(poses)), Kind::output);
  c.compare_if_present("c2w_pose_normalized_sorted", poses_tensor(c, normalised(sorted)), Kind::output);
}

void camera_case(Case& c) {
  auto compare = [&](const std::string& at, const std::vector<Camera>& cameras) {
    std::vector<double> intrinsics;
    std::vector<Pose> poses;
    for (const Camera& k : cameras) {
      intrinsics.insert(intrinsics.end(), {k.fx, k.fy, k.cx, k.cy});
      poses.push_back(k.c2w);
    }
    auto n = std::int64_t(cameras.size());
    std::int64_t items = c.shape(at + ".c2w").at(0);  // the cameras of all items of the batch, one after the other
    check(items > 0 && n % items == 0, "{}.c2w holds {} items for {} cameras", at, items, n);
    c.compare(at + ".fxfycxcy",
              Tensor::of(c.device(), {items, n / items, 4}, std::span<const double>(intrinsics), DType::f64),
              Kind::output);
    c.compare(at + ".c2w", poses_tensor(c, poses).view({items, n / items, 4, 4}), Kind::output);
  };
  Turntable path;
  path.width = c.integer("w", path.width), path.height = c.integer("h", path.height);
  path.views = c.integer("turntable_num_views", path.views);
  path.hfov = c.number("hfov", path.hfov), path.elevation = c.number("elevation", path.elevation);
  path.min_radius = c.number("min_radius", path.min_radius), path.max_radius = c.number("max_radius", path.max_radius);
  if (c.hparams().has("up"))
    for (int i = 0; i < 3; ++i) path.up[std::size_t(i)] = c.hparams()["up"].at(i).number();
  auto append = [](std::vector<Camera>& to, const std::vector<Camera>& more) {
    to.insert(to.end(), more.begin(), more.end());
  };
  if (c.has("turntable.c2w")) {
    std::vector<Camera> all;
    for (std::int64_t item = 0; item < c.shape("turntable.c2w").at(0); ++item) append(all, turntable_cameras(path));
    compare("turntable", all);
  }
  if (!c.has("interp.c2w")) return;
  std::vector<double> k = c.input("interp.in_fxfycxcy", DType::f64).to_doubles(),
                      p = c.input("interp.in_c2w", DType::f64).to_doubles();
  Shape views = c.shape("interp.in_fxfycxcy");  // [batch, views, 4]
  check(views.size() == 3 && views[2] == 4 && p.size() == 4 * k.size(),
        "interp.in_fxfycxcy and interp.in_c2w do not belong together");
  auto count = std::size_t(views[1]);
  std::vector<Camera> all, given(count);
  for (std::size_t at = 0; at < k.size() / 4; ++at) {
    Camera& camera = given[at % count];
    camera.fx = k[4 * at], camera.fy = k[4 * at + 1], camera.cx = k[4 * at + 2], camera.cy = k[4 * at + 3];
    std::copy_n(p.begin() + std::ptrdiff_t(16 * at), 16, camera.c2w.begin());
    if ((at + 1) % count == 0) append(all, interpolate_cameras(given, c.integer("interp_num_views", 2)));
  }
  compare("interp", all);
}

}  // namespace lact::golden
