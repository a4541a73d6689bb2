#include <cmath>

#include "autograd/broadcast.hpp"
#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "kernels/sums.hpp"
#include "layers/embedding.hpp"
#include "models/view_synthesis/model.hpp"
#include "train/learner.hpp"
#include "verify/golden/golden.hpp"

namespace lact::golden {
namespace {

ViewSynthesisConfig model_config(Case& c) {
  ViewSynthesisConfig m;
  read_config_text(Fields::of(m), c.hparams()["config"].dump(), c.path() + " hparams.config");
  return m;
}

ViewBatch batch_of(Case& c) {
  ViewBatch b;
  b.images = c.input("image"), b.intrinsics = c.input("fxfycxcy"), b.poses = c.input("c2w");
  b.input_views = c.hparams()["num_input_views"].integer();
  b.target_views = c.hparams()["num_target_views"].integer();
  Shape views = {b.images.dim(0), b.input_views + b.target_views, 3, b.images.dim(3), b.images.dim(4)};
  check(b.input_views > 0 && b.target_views > 0 && b.images.shape() == views &&
            b.intrinsics.shape() == Shape{views[0], views[1], 4} && b.poses.shape() == Shape{views[0], views[1], 4, 4},
        "{} input and {} target views do not fit image {}, fxfycxcy {} and c2w {}", b.input_views, b.target_views,
        text_of(b.images.shape()), text_of(b.intrinsics.shape()), text_of(b.poses.shape()));
  b.valid = double(b.images.dim(0) * b.target_views * 3 * b.images.dim(3) * b.images.dim(4));
  return b;
}

void rays_and_tokens(Case& c, const ViewBatch& b, std::int64_t p) {
  std::int64_t h = b.images.dim(3), w = b.images.dim(4), v = b.poses.dim(1);
  Tensor r = rays(b.intrinsics, b.poses, h, w);
  auto channels = [&](std::int64_t view, std::int64_t from) { return r.select(1, view).cut(1, {from, from + 3}); };
  c.compare_if_present("ray_o_pix00", r.cut(2, {0, 3}).cut(3, {0, 1}).cut(4, {0, 1}), Kind::output);
  c.compare_if_present("ray_d_v0", channels(0, 3), Kind::output);
  c.compare_if_present("ray_d_last", channels(v - 1, 3), Kind::output);
  c.compare_if_present("o_cross_d_v0", channels(0, 6), Kind::output);
  Tensor tokens = view_tokens(b.intrinsics, b.poses, dense(b.images.cut(1, {0, b.input_views})), h, w, p);
  c.compare_if_present("tokens_in_v0_first2", tokens.cut(1, {0, 2}), Kind::output);
  c.compare_if_present("tokens_tgt_last2", tokens.cut(1, {tokens.dim(1) - 2, tokens.dim(1)}), Kind::output);
}

void forward_and_gradients(Case& c, ViewSynthesis& model, ParameterStore& store, const ViewBatch& b, bool muon) {
  Tape tape;
  Ctx ctx = c.context(&tape);
  Var x = model.embed(ctx, b);
  c.compare_if_present("act.x0", x.value(), Kind::output);
  c.newton_schulz(muon);  // from here on values have passed through Newton-Schulz, which widens the bounds
  for (int i = 0; i < model.blocks(); ++i) {
    x = model.block(ctx, i, x, b);
    c.compare_if_present("act.x" + std::to_string(i + 1), x.value(), Kind::output);
  }
  Ctx plain = c.context(nullptr);
  c.compare("rendering", model.images_of(plain, detach(x), b).value(), Kind::output);
  Var loss = model.head(ctx, x, b);
  c.compare("loss", loss.value(), Kind::output);
  Tensor seed = like(loss.value());
  kernels::fill(seed, c.number("grad_scale", 1));
  store.zero_gradients();
  tape.backward(loss, seed);
  c.compare_gradients(store);
}

void two_stages(Case& c, ViewSynthesis& model, const ViewBatch& b) {
  ViewBatch inputs;
  inputs.images = dense(b.images.cut(1, {0, b.input_views}));
  inputs.intrinsics = dense(b.intrinsics.cut(1, {0, b.input_views}));
  inputs.poses = dense(b.poses.cut(1, {0, b.input_views}));
  inputs.input_views = b.input_views;
  Ctx ctx = c.context(nullptr);
  ViewSynthesis::States states = model.reconstruct(ctx, inputs);
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (states[i].empty()) continue;
    const FastWeights& w = states[i].back();
    std::string at = "state" + std::to_string(i) + ".";
    c.compare_if_present(at + "w0_row0", w.w0.value().select(1, 0), Kind::output);
    c.compare_if_present(at + "w1_row0", w.w1.value().select(1, 0), Kind::output);
    c.compare_if_present(at + "w2_row0", w.w2.value().select(1, 0), Kind::output);
  }
  std::vector<Var> views;
  for (std::int64_t v = b.input_views; v < b.poses.dim(1); ++v)  // one target view at a time, as inference does
    views.push_back(model.render(ctx, states, dense(b.intrinsics.cut(1, {v, v + 1})), dense(b.poses.cut(1, {v, v + 1})),
                                 b.images.dim(3), b.images.dim(4)));
  c.compare_if_present("rendering_two_stage", join(views, 1).value(), Kind::output);
}

// The number that follows a word in a note such as "AdamW lr=1e-3 peak, cosine with warmup 5 of 20 steps".
double number_after(const std::string& note, const std::string& word, double otherwise) {
  auto at = note.find(word);
  return at == std::string::npos ? otherwise : std::strtod(note.c_str() + at + word.size(), nullptr);
}

void curve(Case& c, const std::string& name, const ViewBatch& b) {
  if (!c.has(name + ".loss")) return;
  std::string note = c.hparams().has(name) && c.hparams()[name].is_text() ? c.hparams()[name].text() : "";
  bool scheduled = name == "train_sched";
  LearningConfig cfg;
  cfg.constant_lr = !scheduled;
  cfg.lr = number_after(note, "lr=", scheduled ? 1e-3 : 1e-4);
  cfg.warmup = std::int64_t(number_after(note, "warmup ", 5));
  cfg.steps = std::int64_t(number_after(note, " of ", double(c.shape(name + ".loss").at(0))));
  cfg.weight_decay = number_after(note, "wd ", 0.05);
  cfg.free_steps = -1;
  cfg.grad_clip = scheduled ? number_after(note, "clip_grad_norm ", 1) : 0;
  cfg.skip_norm = scheduled ? number_after(note, "norm > ", 4) : 0;
  ParameterStore store;
  ViewSynthesis model(store, model_config(c));
  c.load(store);
  compare_curve(c, name, model, store, cfg, b);
}

}  // namespace

Curve trained(Case& c, Model& model, ParameterStore& store, const LearningConfig& cfg, std::int64_t steps,
              const std::function<Batch(std::int64_t)>& batch) {
  Learner learner(model, store, c.mesh(), c.device(), cfg, 0);
  Curve curve;
  for (std::int64_t s = 0; s < steps; ++s) {
    const StepReport r = learner.step(s, 1, [&](std::int64_t) { return batch(s); });
    curve.loss.push_back(r.loss), curve.norm.push_back(r.grad_norm), curve.rate.push_back(r.rate);
  }
  return curve;
}

const Parameter& parameter_named(Case& c, ParameterStore& store, const std::string& name) {
  for (const Parameter& mine : store.parameters())
    if (c.name_of(mine.name) == name) return mine;
  fail("{} names '{}', which the model does not have", c.path(), name);
}

Tensor tensor_of(Case& c, const std::vector<double>& v) {
  return Tensor::of(c.device(), {std::int64_t(v.size())}, std::span<const double>(v), DType::f64);
}

Tensor norms_of_parameters(Case& c, ParameterStore& store, const Json& names) {
  std::vector<double> norms;
  for (const Json& name : names.items()) {
    const Tensor squares = Tensor::empty(c.device(), {1}, DType::f64);
    kernels::squared_norm(squares, store.value(parameter_named(c, store, name.text())));
    norms.push_back(std::sqrt(squares.item()));
  }
  return tensor_of(c, norms);
}

void compare_curve(Case& c, const std::string& name, Model& model, ParameterStore& store, const LearningConfig& cfg,
                   const Batch& b) {
  const Curve curve = trained(c, model, store, cfg, c.shape(name + ".loss").at(0), [&b](std::int64_t) { return b; });
  c.compare(name + ".loss", tensor_of(c, curve.loss), Kind::loss_curve);
  c.compare(name + ".grad_norm", tensor_of(c, curve.norm), Kind::norm_curve);
  c.compare_if_present(name + ".lr", tensor_of(c, curve.rate), Kind::loss_curve);
  c.compare(name + ".final_param_l2", norms_of_parameters(c, store, c.hparams()["param_order"]), Kind::output);
}

void model_case(Case& c) {
  ViewSynthesisConfig cfg = model_config(c);
  bool muon = false;
  for (const BlockConfig& b : cfg.block_config) muon = muon || b.params.muon_update_steps > 0;
  const ViewBatch b = batch_of(c);
  cfg.check_values(b.images.dim(3), b.images.dim(4));
  ParameterStore store;
  ViewSynthesis model(store, cfg);
  c.load(store);
  rays_and_tokens(c, b, cfg.patch_size);
  forward_and_gradients(c, model, store, b, muon);
  two_stages(c, model, b);
  curve(c, "train_const", b);
  curve(c, "train_sched", b);
}

}  // namespace lact::golden
