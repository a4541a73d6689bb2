// Held-out views rendered from input views, and how close they come, beside two baselines that need no model.
#pragma once
#include "data/views/view_sample.hpp"
#include "models/task.hpp"
#include "models/view_synthesis/model.hpp"
#include "models/view_synthesis/pictures.hpp"

namespace lact {

struct ViewScore {
  std::int64_t scene = 0, view = 0;
  bool novel_scene = false;  // no training sample came from this scene
  double mse = 0, psnr = 0, ssim = 0;
  double nearest_psnr = 0;  // baseline: the input view whose camera stands nearest, copied
  double mean_psnr = 0;     // baseline: the mean colour of the inputs everywhere
};

struct RenderedView {                            // planar [3, h, w]
  std::vector<float> input, target, prediction;  // the nearest input view
  ViewScore score;
};

struct ViewEvaluation {
  std::vector<RenderedView> views;  // training scenes first
  std::vector<ViewChoice> choices;  // what this rank rendered: of each scene the inputs and targets that can be read
  // Means over the held-out views of training scenes (and eval_novel_* over those of other scenes): eval_psnr is the
  // mean over views of -10 log10(MSE of the view), eval_psnr_pooled that of the pooled MSE.
  NamedValues values() const;
};

// What is evaluated: the input and target views of each scene. Empty when nothing is held out.
std::vector<ViewChoice> evaluation_choices(const ViewSource& source, const DataConfig& cfg);
// The ranks of dp share the target views, unless all must keep in step; all of them get all. Damaged views are left out
// as chosen_sample() says, and so is a scene with too few inputs; all others that cannot be read are Unreadable.
// Collective.
ViewEvaluation evaluate(ViewSynthesis& model, Ctx& c, const ViewSource& source, const DataConfig& cfg);

// The views of one scene as a sheet a person can look at.
Image sheet_of(const ViewEvaluation& e, std::int64_t scene, const DataConfig& cfg);

// Target views from fast weights made once of the inputs, in groups, so that memory does not grow with their number:
// [v, 3, h, w] f32.
Tensor render_views(ViewSynthesis& model, Ctx& c, const ViewSynthesis::States& states, const Tensor& intrinsics,
                    const Tensor& poses, std::int64_t height, std::int64_t width);
// The input views of a batch alone, as `reconstruct` takes them.
ViewBatch inputs_of(const ViewBatch& b);

}  // namespace lact
