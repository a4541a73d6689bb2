#include "models/view_synthesis/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "autograd/broadcast.hpp"
#include "base/check.hpp"
#include "models/view_synthesis/metrics.hpp"
#include "parallel/together.hpp"

namespace lact {
namespace {

constexpr std::int64_t group = 8;  // views rendered at once

Tensor part(const Tensor& t, Range r) { return dense(t.cut(1, r)); }

std::vector<float> picture(const Tensor& images, std::int64_t view) {  // [1, v, 3, h, w]
  return images.select(0, 0).select(0, view).to_floats();
}

std::int64_t nearest_input(const ViewBatch& b, std::int64_t target) {
  const std::vector<float> poses = b.poses.to_floats();
  auto distance = [&](std::int64_t i) {
    double sum = 0;
    for (std::int64_t k : {3, 7, 11})
      sum += std::pow(double(poses[std::size_t(i * 16 + k)]) - double(poses[std::size_t(target * 16 + k)]), 2);
    return sum;
  };
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < b.input_views; ++i)
    if (distance(i) < distance(best)) best = i;
  return best;
}

// The mean colour of all inputs, everywhere.
std::vector<float> mean_picture(const ViewBatch& b, std::size_t plane) {
  std::array<double, 3> sum{};
  const std::vector<float> pixels = b.images.cut(1, {0, b.input_views}).to_floats();
  for (std::size_t i = 0; i < pixels.size(); ++i) sum[i / plane % 3] += pixels[i];
  std::vector<float> out(3 * plane);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = float(sum[i / plane] / double(std::size_t(b.input_views) * plane));
  return out;
}

// Of all target views, scene by scene, those of one of `parts` parts.
std::vector<ViewChoice> part_of(std::vector<ViewChoice> choices, int part, int parts) {
  std::int64_t all = 0, at = 0;
  for (const ViewChoice& c : choices) all += std::int64_t(c.targets.size());
  const Range mine = even_part(all, part, parts);
  for (ViewChoice& c : choices) {
    const auto n = std::int64_t(c.targets.size());
    const std::int64_t begin = std::clamp(mine.begin - at, std::int64_t(0), n),
                       end = std::clamp(mine.end - at, begin, n);
    c.targets = {c.targets.begin() + begin, c.targets.begin() + end};
    at += n;
  }
  std::erase_if(choices, [](const ViewChoice& c) { return c.targets.empty(); });
  return choices;
}

// The views of all ranks of a line, in their order.
std::vector<RenderedView> views_of_ranks(Communicator& line, const std::vector<RenderedView>& mine,
                                         std::size_t numbers) {
  std::string bytes;
  for (const RenderedView& v : mine) {
    bytes.append(reinterpret_cast<const char*>(&v.score), sizeof v.score);
    for (const auto* picture : {&v.input, &v.target, &v.prediction})
      bytes.append(reinterpret_cast<const char*>(picture->data()), numbers * sizeof(float));
  }
  std::vector<RenderedView> all;
  for (const std::string& part : gathered(line, bytes))
    for (const char *at = part.data(), *end = at + part.size(); at < end;) {
      RenderedView& v = all.emplace_back();
      std::memcpy(&v.score, at, sizeof v.score);
      at += sizeof v.score;
      for (auto* picture : {&v.input, &v.target, &v.prediction}) {
        picture->resize(numbers);
        std::memcpy(picture->data(), at, numbers * sizeof(float));
        at += numbers * sizeof(float);
      }
    }
  return all;
}

struct Means {
  double mse = 0, psnr = 0, ssim = 0, nearest = 0, mean = 0;
  std::int64_t views = 0;
};

}  // namespace

std::vector<ViewChoice> evaluation_choices(const ViewSource& source, const DataConfig& cfg) {
  std::vector<ViewChoice> choices, novel;
  for (std::int64_t s = 0; s < source.scenes(); ++s) {
    bool is_novel = std::ranges::find(cfg.held_out_scenes, s) != cfg.held_out_scenes.end();
    Split split = split_views(source.views(s), cfg.held_out, source.scene_title(s));
    if (split.held_out.empty()) continue;
    ViewChoice choice = given_views(s, evaluation_inputs(split, cfg, source.scene_title(s)), split.held_out);
    (is_novel ? novel : choices).push_back(std::move(choice));
  }
  choices.insert(choices.end(), novel.begin(), novel.end());
  return choices;
}

namespace {

// What can be read of this rank's next scene, which some ranks do not have. Ranks that work on the same sample read the
// same files, and so agree on what is damaged. Collective.
std::optional<ViewSample> read_together(const ViewSource& source, const DataConfig& cfg, const ViewChoice* mine,
                                        Communicator& world) {
  std::optional<ViewSample> sample;
  try {
    together(world, [&] {
      if (mine != nullptr) sample = chosen_sample(source, *mine, cfg);
    });
  } catch (const Error& e) {
    throw Unreadable(e.what(), e.where());
  }
  const bool enough = sample && !sample->choice.targets.empty() && sample->choice.inputs.size() == mine->inputs.size();
  return enough ? std::move(sample) : std::nullopt;
}

std::int64_t largest_on_any(std::size_t mine, Communicator& world) {
  std::uint64_t largest = 0;
  for (const auto& numbers : gathered(world, std::vector<std::uint64_t>{mine})) largest = std::max(largest, numbers[0]);
  return std::int64_t(largest);
}

}  // namespace

ViewBatch inputs_of(const ViewBatch& b) {
  ViewBatch in;
  Range r{0, b.input_views};
  in.images = part(b.images, r), in.intrinsics = part(b.intrinsics, r), in.poses = part(b.poses, r);
  in.input_views = b.input_views;
  return in;
}

Tensor render_views(ViewSynthesis& model, Ctx& c, const ViewSynthesis::States& states, const Tensor& intrinsics,
                    const Tensor& poses, std::int64_t height, std::int64_t width) {
  std::int64_t n = poses.dim(1);
  Tensor out = Tensor::empty(c.device, {n, 3, height, width});
  for (std::int64_t begin = 0; begin < n; begin += group) {
    Range r{begin, std::min(begin + group, n)};
    Var y = model.render(c, states, part(intrinsics, r), part(poses, r), height, width);
    copy_bytes(out.cut(0, r), y.value().view({r.size(), 3, height, width}));
  }
  return out;
}

namespace {

std::vector<RenderedView> rendered(ViewSynthesis& model, Ctx& c, ViewSample sample, const DataConfig& cfg) {
  const auto plane = std::size_t(cfg.height() * cfg.width());
  const ViewChoice choice = sample.choice;
  const ViewBatch b = batch_of(std::move(sample), cfg, c.device);
  ViewSynthesis::States states = model.reconstruct(c, inputs_of(b));
  Range targets{b.input_views, b.input_views + b.target_views};
  Tensor images =
      render_views(model, c, states, part(b.intrinsics, targets), part(b.poses, targets), cfg.height(), cfg.width());
  std::vector<float> mean = mean_picture(b, plane);
  std::vector<RenderedView> views;
  for (std::int64_t i = 0; i < b.target_views; ++i) {
    RenderedView v;
    v.input = picture(b.images, nearest_input(b, b.input_views + i));
    v.target = picture(b.images, b.input_views + i);
    v.prediction = images.select(0, i).to_floats();
    ViewScore& s = v.score;
    s.scene = choice.scene, s.view = choice.targets[std::size_t(i)];
    s.novel_scene = std::ranges::find(cfg.held_out_scenes, s.scene) != cfg.held_out_scenes.end();
    s.mse = mse(v.prediction, v.target), s.psnr = psnr(s.mse);
    s.ssim = ssim(v.prediction, v.target, cfg.height(), cfg.width());
    s.nearest_psnr = psnr(mse(v.input, v.target)), s.mean_psnr = psnr(mse(mean, v.target));
    views.push_back(std::move(v));
  }
  return views;
}

}  // namespace

ViewEvaluation evaluate(ViewSynthesis& model, Ctx& c, const ViewSource& source, const DataConfig& cfg) {
  ViewEvaluation e;
  Ctx plain = c.on(nullptr);
  Communicator &dp = c.mesh.along(Axis::dp), &world = c.mesh.world();
  const bool shared = dp.size() > 1 && !dp.in_step();
  const std::vector<ViewChoice> mine =
      part_of(evaluation_choices(source, cfg), shared ? dp.rank() : 0, shared ? dp.size() : 1);
  for (std::int64_t i = 0, most = largest_on_any(mine.size(), world); i < most; ++i) {
    const ViewChoice* next = i < std::int64_t(mine.size()) ? &mine[std::size_t(i)] : nullptr;
    std::optional<ViewSample> sample = read_together(source, cfg, next, world);
    if (!sample) continue;
    e.choices.push_back(sample->choice);
    for (RenderedView& v : rendered(model, plain, *std::move(sample), cfg)) e.views.push_back(std::move(v));
  }
  if (shared) e.views = views_of_ranks(dp, e.views, 3 * std::size_t(cfg.height() * cfg.width()));
  return e;
}

Image sheet_of(const ViewEvaluation& e, std::int64_t scene, const DataConfig& cfg) {
  std::vector<SheetRow> rows;
  for (const RenderedView& v : e.views)
    if (v.score.scene == scene)
      rows.push_back({"VIEW " + std::to_string(v.score.view), v.input, v.target, v.prediction});
  return contact_sheet(rows, cfg.height(), cfg.width());
}

NamedValues ViewEvaluation::values() const {
  std::array<Means, 2> all;
  for (const RenderedView& v : views) {
    Means& m = all[v.score.novel_scene];
    m.mse += v.score.mse, m.psnr += v.score.psnr, m.ssim += v.score.ssim;
    m.nearest += v.score.nearest_psnr, m.mean += v.score.mean_psnr, ++m.views;
  }
  NamedValues out;
  for (int novel : {0, 1}) {
    const Means& m = all[std::size_t(novel)];
    if (m.views == 0) continue;
    auto n = double(m.views);
    std::string at = novel ? "eval_novel_" : "eval_";
    out.emplace_back(at + "psnr", m.psnr / n);
    out.emplace_back(at + "psnr_pooled", psnr(m.mse / n));
    out.emplace_back(at + "ssim", m.ssim / n);
    out.emplace_back(at + "loss", m.mse / n);
    out.emplace_back(at + "nearest_psnr", m.nearest / n);
    out.emplace_back(at + "mean_colour_psnr", m.mean / n);
  }
  return out;
}

}  // namespace lact
