#include "train/learner.hpp"

#include <cmath>
#include <exception>
#include <utility>

#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "optim/learning_rate.hpp"
#include "tensor/device_clock.hpp"

namespace lact {

void LearningConfig::fields(Fields& f) {
  f("steps", steps, "optimizer steps of the whole run");
  f("lr", lr, "peak learning rate");
  f("warmup", warmup, "steps of linear warmup from 0; then a half cosine down to 0 at `steps`");
  f("constant_lr", constant_lr, "keep lr as it is, without warmup and cosine");
  f("beta1", beta1, "AdamW: decay of the first moment");
  f("beta2", beta2, "AdamW: decay of the second moment");
  f("eps", eps, "AdamW: added to the root of the second moment");
  f("weight_decay", weight_decay, "AdamW: decoupled decay of parameters with two or more dims");
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
  check(grad_clip >= 0 && skip_norm >= 0, "train.grad_clip={} and train.skip_norm={} must not be negative", grad_clip,
        skip_norm);
  check(max_skipped > 0, "train.max_skipped={} must be positive", max_skipped);
}

double LearningConfig::cosine(std::int64_t step) const { return cosine_rate(step, lr, warmup, steps); }

namespace {
AdamWConfig adamw_of(const LearningConfig& c) {
  return {.beta1 = c.beta1, .beta2 = c.beta2, .eps = c.eps, .weight_decay = c.weight_decay};
}
}  // namespace

Learner::Learner(Model& model, ParameterStore& store, Mesh& mesh, Device& device, const LearningConfig& cfg,
                 std::uint64_t seed, std::vector<Range> stages, bool graphs)
    : pipeline_(model, store, mesh, stages.empty() ? std::vector<Range>{{0, model.blocks()}} : std::move(stages),
                cfg.activation_checkpointing),
      store_(store),
      mesh_(mesh),
      device_(device),
      cfg_(cfg),
      seed_(seed),
      reducer_(store, mesh),
      optimizer_(store, mesh, device, adamw_of(cfg)),
      sums_(Tensor::empty(device, {5}, DType::f64)) {
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

Pipeline::Totals Learner::ask(std::int64_t n, std::int64_t micro_batches, const Draw& draw,
                              const std::function<void()>& say) {
  reducer_.restart();
  Pipeline::Totals totals =
      pipeline_.run({nullptr, device_, mesh_, seed_, n, cfg_.activations(), spans_}, micro_batches, draw);
  const Spanning span(spans_, "optimizer", "optimizer");
  reducer_.finish();
  // every rank judges the same sums, so all of them step or none does
  device_.clear(sums_.raw(), 2 * sizeof(double));
  kernels::add_to(sums_.cut(0, {0, 1}), std::exchange(totals.loss, {}));
  add_squared_gradients(sums_.cut(0, {1, 2}), store_);
  say();
  mesh_.world().all_reduce(sums_.cut(0, {0, 4})).wait();
  const bool bounded = n > cfg_.free_steps;
  optimizer_.step(sums_.cut(0, {4, 5}), sums_,
                  {.clip = bounded ? cfg_.grad_clip : 0, .skip = bounded ? cfg_.skip_norm : 0});
  return totals;
}

void Learner::begin(std::int64_t n, std::int64_t micro_batches, const Draw& draw,
                    const std::function<Wishes()>& wishes) {
  StepReport r;
  r.step = n;
  r.rate = cfg_.rate_at(n);
  auto say = [&] {
    const Wishes mine = wishes ? wishes() : Wishes();
    const double said[]{double(mine.stop), double(mine.save), r.rate};
    device_.copy_in(sums_.cut(0, {2, 5}).raw(), said, sizeof said);
  };
  Pipeline::Totals totals;
  if (repeated_ && spans_ == shown_.get()) {
    say();  // a graph reads it from there
    totals = repeated_->take(micro_batches, draw, n > cfg_.free_steps,
                             [&](const Draw& from) { return ask(n, micro_batches, from, [] {}); });
  } else {
    if (repeated_) repeated_->forget();  // its memory serves this step
    totals = ask(n, micro_batches, draw, say);
  }
  auto samples = mesh_.grid().size[std::size_t(Axis::dp)];  // every rank counts whole samples
  r.tokens = totals.tokens * samples;
  r.flops = totals.flops;
  for (int i = 1; i < samples; ++i) r.flops += totals.flops;
  auto told = [this](const Tensor& t) {
    return device_.begin_copy_out(t.raw(), std::size_t(t.count()) * sizeof(double));
  };
  begun_.push_back({std::move(r), told(sums_), told(optimizer_.verdict())});
}

StepReport Learner::report() {
  check(!begun_.empty(), "every step that was begun has been reported");
  const Begun begun = std::move(begun_.front());
  begun_.pop_front();
  const auto* sums = reinterpret_cast<const double*>(begun.sums.read());
  const auto* verdict = reinterpret_cast<const kernels::Verdict*>(begun.verdict.read());
  StepReport r = begun.report;
  r.loss = sums[0], r.grad_norm = std::sqrt(sums[1]), r.stop = sums[2] > 0, r.save = sums[3] > 0;
  r.skipped = why(kernels::LeftOut(int(verdict->left_out)), r.grad_norm);
  skipped_in_a_row_ = r.skipped.empty() ? 0 : skipped_in_a_row_ + 1;
  return r;
}

}  // namespace lact
