#include "train/learner.hpp"

#include <cmath>
#include <exception>

#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "optim/learning_rate.hpp"
#include "tensor/device_clock.hpp"

namespace lact {

void LearningConfig::fields(Fields& f) {
  f("steps", steps, "optimizer steps of the whole run");
  f("lr", lr, "peak learning rate");
  f("warmup", warmup, "steps of linear warmup from 0; then a half cosine down to min_lr_ratio of lr at `steps`");
  f("min_lr_ratio", min_lr_ratio, "share of lr that the cosine ends at");
  f("constant_lr", constant_lr, "keep lr as it is, without warmup and cosine");
  f("beta1", beta1, "AdamW: decay of the first moment");
  f("beta2", beta2, "AdamW: decay of the second moment");
  f("eps", eps, "AdamW: added to the root of the second moment");
  f("weight_decay", weight_decay, "AdamW: decoupled decay of parameters with two or more dims");
  f("decay_all", decay_all, "decay of norms and biases too");
  f("grad_clip", grad_clip, "largest global gradient norm; larger ones are scaled down; 0 is no limit");
  f("skip_norm", skip_norm, "leave out a step whose gradient norm before clipping is above this; 0 never");
  f("free_steps", free_steps, "neither clip nor skip while the step is at most this; -1: both from the first step");
  f("max_skipped", max_skipped, "stop with an error after so many skipped steps in a row");
  f("precision", precision,
    "fp32; or bf16 on a GPU: activations and products in bf16, sums, norms and weights in fp32");
  f("activation_checkpointing", activation_checkpointing,
    "keep only each block's input and compute it again in the backward pass");
}

void LearningConfig::check_values() const {
  constexpr std::int64_t most_steps = std::int64_t(1) << 40;
  check(steps > 0 && steps <= most_steps, "train.steps={} is not between 1 and {}", steps, most_steps);
  check(lr >= 0 && std::isfinite(lr), "train.lr={} is not a learning rate", lr);
  check(warmup >= 0, "train.warmup={} is negative", warmup);
  check(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1, "train.beta1={} and train.beta2={} must lie in [0, 1)",
        beta1, beta2);
  check(eps > 0 && std::isfinite(eps), "train.eps={} must be positive and finite", eps);
  check(weight_decay >= 0 && std::isfinite(weight_decay), "train.weight_decay={} is not a decay", weight_decay);
  check(min_lr_ratio >= 0 && min_lr_ratio <= 1, "train.min_lr_ratio={} is not between 0 and 1", min_lr_ratio);
  check(grad_clip >= 0 && skip_norm >= 0, "train.grad_clip={} and train.skip_norm={} must not be negative", grad_clip,
        skip_norm);
  check(max_skipped > 0, "train.max_skipped={} must be positive", max_skipped);
}

double LearningConfig::cosine(std::int64_t step) const { return cosine_rate(step, lr, warmup, steps, min_lr_ratio); }

namespace {
AdamWConfig adamw_of(const LearningConfig& c) {
  return {.beta1 = c.beta1, .beta2 = c.beta2, .eps = c.eps, .weight_decay = c.weight_decay, .decay_all = c.decay_all};
}
}  // namespace

Learner::Learner(Model& model, ParameterStore& store, Mesh& mesh, Device& device, const LearningConfig& cfg,
                 std::uint64_t seed, bool graphs)
    : pipeline_(model, store, mesh, model.stages(), cfg.activation_checkpointing),
      store_(store),
      mesh_(mesh),
      device_(device),
      cfg_(cfg),
      seed_(seed),
      reducer_(store, mesh),
      optimizer_(store, mesh, device, adamw_of(cfg)),
      numbers_(device) {
  if (graphs && device.backend() == Backend::cuda && mesh.world().size() == 1) repeated_.emplace(device);
  if (auto profiler = attached_profiler()) shown_ = Spans::only_shown(std::move(profiler));
  record(nullptr);
}

Learner::~Learner() {
  if (shown_ && std::uncaught_exceptions() == 0) store_.settle();  // what is on its way tells the profiler
  listen(nullptr);
}

void Learner::listen(Spans* spans) {
  spans_ = spans;
  for (Communicator* c : mesh_.communicators()) c->record(spans);
}

std::string Learner::why(kernels::LeftOut left_out, double norm) const {
  switch (left_out) {
    case kernels::LeftOut::no:
      return {};
    case kernels::LeftOut::loss_not_finite:
      return "loss is not finite";
    case kernels::LeftOut::norm_not_finite:
      return "gradient norm is not finite";
    case kernels::LeftOut::large_norm:
      return fill("gradient norm {:.4g} is above train.skip_norm={}", {norm, cfg_.skip_norm});
  }
  return {};
}

}  // namespace lact
