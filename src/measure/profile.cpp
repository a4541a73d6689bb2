#include "measure/profile.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "measure/kept_memory.hpp"
#include "tensor/device_clock.hpp"
#include "train/product_rate.hpp"

namespace lact {

void ProfileConfig::fields(Fields& f) {
  f("pairs", pairs, "steps, each beside one without exchange");
  f("alone", alone, "steps of every rank by itself with as many tokens");
  f("traced", traced, "steps as training takes them, for the timeline");
  f("product", product, "side of the product that the kernels' rates are measured against; 0: as large as it takes");
  f("copied", copied, "bytes of the copy that they are measured against; 0: more than caches hold");
}

void ProfileConfig::check_values() const {
  check(pairs > 0 && pairs <= 1000, "pairs={} is not between 1 and 1000", pairs);
  check(traced > 0 && traced <= 100, "traced={} is not between 1 and 100", traced);
  check(product >= 0 && copied >= 0, "product={} and copied={} must not be negative", product, copied);
  check(alone >= 0 && alone <= pairs, "alone={} is not between 0 and pairs={}", alone, pairs);
}

namespace {

double bytes_of(const Tensor& t) { return double(t.count() * size_of(t.dtype())); }

Tensor copied(const Tensor& t) {
  Tensor copy = like(t);
  copy_bytes(copy, t);
  return copy;
}

// Weights and moments as they were at a moment.
class Kept {
 public:
  Kept(ParameterStore& store, AdamW& optimizer) : store_(store), optimizer_(optimizer), steps_(optimizer.steps()) {
    store.settle();
    for (const auto& b : store.buckets()) all_.push_back({copied(b.value), copied(b.first), copied(b.second)});
  }
  void restore() {
    store_.settle();
    for (std::size_t i = 0; i < all_.size(); ++i) {
      auto& b = store_.buckets()[i];
      copy_bytes(b.value, all_[i].value), copy_bytes(b.first, all_[i].first), copy_bytes(b.second, all_[i].second);
    }
    optimizer_.set_steps(steps_);
  }

 private:
  struct Numbers {
    Tensor value, first, second;
  };
  ParameterStore& store_;
  AdamW& optimizer_;
  std::int64_t steps_;
  std::vector<Numbers> all_;
};

// Steps of one learner on the same samples, each from the same weights.
class Repeated {
 public:
  Repeated(Learner& learner, ParameterStore& store, Mesh& mesh, Device& device, std::vector<Batch> batches)
      : learner_(learner),
        store_(store),
        mesh_(mesh),
        device_(device),
        kept_(store, learner.optimizer()),
        batches_(std::move(batches)) {}

  struct Took {
    double seconds = 0, computing = 0;
  };
  // By this rank's clocks. What a muted transport does instead of travelling is not counted.
  Took step(bool muted) {
    kept_.restore();
    together();
    for (Communicator* c : mesh_.communicators()) c->reset_traffic(), c->mute(muted);
    const double begin = steady_seconds(), computed = processor_seconds();
    const StepReport r = learner_.step(1, std::int64_t(batches_.size()),
                                       [this](std::int64_t micro) { return batches_[std::size_t(micro)]; });
    store_.settle();
    device_.compute().finish();
    Took took{steady_seconds() - begin, processor_seconds() - computed};
    for (Communicator* c : mesh_.communicators()) {
      c->settle_traffic();
      const double silent = muted ? c->traffic().total().begin_seconds : 0;
      took.seconds -= silent, took.computing -= silent;
      c->mute(false);
    }
    check(r.skipped.empty(), "a step of the profile was left out: {}", r.skipped);
    return took;
  }
  void together() {
    const Tensor t = Tensor::zeros(device_, {1});
    mesh_.world().all_reduce(t).wait();
    device_.compute().finish();
  }
  void restore() { kept_.restore(); }

 private:
  Learner& learner_;
  ParameterStore& store_;
  Mesh& mesh_;
  Device& device_;
  Kept kept_;
  std::vector<Batch> batches_;
};

// The same tokens per rank without any other rank: 1/cp of each sample, this rank's samples.
class Independent {
 public:
  static bool possible(const RunConfig& cfg, const Grid& g) {
    auto [pp, dp, cp, tp] = g.size;
    return pp == 1 && tp == 1 && !cfg.task->keys_of_scaled_samples(1, cp).empty();
  }
  Independent(LoadedModel& m, const Dataset& open, const LearningConfig& learning)
      : cfg_(config_of(m)), mesh_(Mesh::alone()), model_(cfg_.task->make_model(store_, CpMode::tokens)) {
    const auto seed = std::uint64_t(cfg_.train.seed);
    store_.lay_out(*m.device, mesh_, seed);
    learner_ = std::make_unique<Learner>(*model_, store_, mesh_, *m.device, learning, 0);
    const auto data = cfg_.task->share_data(open);
    const auto samples = data->samples(seed, *model_, mesh_);
    Loader loader(*samples, 0, *m.device);
    std::vector<Batch> batches;
    for (std::int64_t i = 0; i < cfg_.train.accumulate; ++i) batches.push_back(micro_batch(loader, cfg_, mesh_, 0, i));
    steps_ = std::make_unique<Repeated>(*learner_, store_, mesh_, *m.device, std::move(batches));
    steps_->step(false);
  }
  double seconds() { return steps_->step(false).seconds; }

 private:
  static RunConfig config_of(const LoadedModel& m) {
    auto [pp, dp, cp, tp] = m.mesh->grid().size;
    RunConfig c = m.config;
    for (const std::string& key : c.task->keys_of_scaled_samples(1, cp)) apply_override(Fields::of(c), key);
    c.train.batch_size /= dp;
    return c;
  }
  RunConfig cfg_;
  Mesh mesh_;
  ParameterStore store_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<Repeated> steps_;
};

// Records the forwards and backwards as spans, and when the first began and the last ended.
class PassSpans {
 public:
  explicit PassSpans(Spans& spans) : spans_(spans) {}
  void operator()(const PipelineAction& a, bool ended) {
    if (!ended) {
      if (!first_) first_ = spans_.now();
      const char* what = a.kind == PipelineAction::forward ? "forward" : "backward";
      if (a.kind != PipelineAction::exchange)
        span_.emplace(&spans_, what, sentence("{} of micro-batch {}, stage {}", what, a.micro, a.stage));
      return;
    }
    span_.reset();
    last_ = spans_.now();
  }
  double seconds() const { return last_() - first_(); }

 private:
  Spans& spans_;
  std::optional<Spanning> span_;
  Moment first_, last_;
};

double seconds_of(const Span& s) { return s.end - s.begin; }

// Seconds of forwards and backwards among the spans, without those in which they wait along this line.
double working_seconds(std::span<const Span> spans, const Communicator& line) {
  const std::string begin = "begin " + line.label() + " ", wait = "wait " + line.label() + " ";
  double seconds = 0;
  for (const Span& pass : spans) {
    if (pass.kind != "forward" && pass.kind != "backward") continue;
    seconds += seconds_of(pass);
    for (const Span& s : spans)
      if (line.size() > 1 && (s.name.starts_with(begin) || s.name.starts_with(wait)) && s.begin >= pass.begin &&
          s.end <= pass.end)
        seconds -= seconds_of(s);
  }
  return seconds;
}

// One step as training takes it, its samples from the loader.
void trace_step(RankProfile& p, LoadedModel& m, Learner& learner, Loader& loader, std::int64_t step) {
  m.store.settle();
  m.device->reset_peak();
  const std::size_t held = m.device->memory().now, spans_before = p.spans.all().size();
  PassSpans passes(p.spans);
  KeptMemory kept(*m.device);
  learner.pipeline().watch([&](const PipelineAction& a, bool ended) { passes(a, ended), kept(ended); });
  learner.record(&p.spans);
  {
    const Spanning span(&p.spans, "step", sentence("step {}", step));
    p.tokens = learner
                   .step(step, m.config.train.accumulate,
                         [&](std::int64_t micro) {
                           const Spanning drawing(&p.spans, "data", "data");
                           return micro_batch(loader, m.config, *m.mesh, step, micro);
                         })
                   .tokens;
    m.store.settle();
    m.device->compute().finish();
  }
  learner.record(nullptr);
  learner.pipeline().watch({});
  p.spans.settle();
  const std::span<const Span> spans = std::span(p.spans.all()).subspan(spans_before);
  double data = 0;
  for (const Span& s : spans)
    if (s.kind == "data") data += seconds_of(s);
  p.data_seconds.push_back(data);
  p.pipeline_seconds += passes.seconds();
  p.pipeline_working += working_seconds(spans, m.mesh->along(Axis::pp)) - data;
  p.memory.activations = double(kept.bytes());
  p.memory.working = double(m.device->memory().peak - held) - p.memory.activations;
}

using Ledgers = std::map<std::string, Traffic>;

Ledgers ledgers_of(Mesh& mesh) {
  Ledgers all;
  for (const Communicator* c : mesh.communicators()) all[c->label()] = c->traffic();
  return all;
}

void check_same_calls(const Ledgers& real, const Ledgers& control) {
  for (const auto& [label, traffic] : real)
    for (std::size_t op = 0; op < op_kinds; ++op) {
      const Traffic::Row &a = traffic.rows[op], &b = control.at(label).rows[op];
      check(a.calls == b.calls && a.bytes == b.bytes,
            "along '{}' a step makes {} calls of {} and sends {} bytes, and its control {} and {}", label, a.calls,
            name_of(Op(op)), a.bytes, b.calls, b.bytes);
    }
}

// Calls and bytes are the same in every step.
Traffic medians(const std::vector<Ledgers>& steps, const std::string& label) {
  Traffic out = steps.front().at(label);
  for (std::size_t op = 0; op < op_kinds; ++op) {
    auto median = [&](double Traffic::Row::*field) {
      std::vector<double> x;
      for (const Ledgers& s : steps) x.push_back(s.at(label).rows[op].*field);
      std::ranges::sort(x);
      out.rows[op].*field = (x[x.size() / 2] + x[(x.size() - 1) / 2]) / 2;
    };
    median(&Traffic::Row::begin_seconds), median(&Traffic::Row::wait_seconds);
    median(&Traffic::Row::moving_seconds), median(&Traffic::Row::flight_seconds);
  }
  return out;
}

}  // namespace

RankProfile profile(LoadedModel& m, const Dataset& data, const ProfileConfig& cfg) {
  RankProfile p;
  p.product_rate = measured_product_rate(*m.device, m.config.train.activations(), cfg.product);
  p.copy_rate = measured_copy_rate(*m.device, cfg.copied);
  const Clock clock = clock_of(*m.device);
  p.spans = Spans(clock, attached_profiler());
  for (Communicator* c : m.mesh->communicators()) c->time_by(clock);
  LearningConfig learning = m.config.train;
  learning.skip_norm = 0;  // every step counts
  Learner learner(*m.model, m.store, *m.mesh, *m.device, learning, std::uint64_t(m.config.train.seed));
  Kept before(m.store, learner.optimizer());
  const auto samples = data.samples(std::uint64_t(m.config.train.seed), *m.model, *m.mesh);
  Loader loader(*samples, m.config.task->data_threads(), *m.device);
  for (const auto& b : m.store.buckets()) {
    p.memory.weights += bytes_of(b.value), p.memory.gradients += bytes_of(b.gradient);
    p.memory.optimizer += bytes_of(b.first) + bytes_of(b.second);
  }
  std::vector<Batch> batches;
  for (std::int64_t i = 0; i < m.config.train.accumulate; ++i)
    batches.push_back(micro_batch(loader, m.config, *m.mesh, 0, i));
  Repeated steps(learner, m.store, *m.mesh, *m.device, std::move(batches));
  steps.step(false);  // the first one fetches memory from the system
  std::unique_ptr<Independent> alone;
  if (cfg.alone > 0 && Independent::possible(m.config, m.mesh->grid()))
    alone = std::make_unique<Independent>(m, data, learning);
  std::vector<Ledgers> ledgers;
  for (std::int64_t i = 0; i < cfg.pairs; ++i) {
    Ledgers real, control;
    for (const bool muted : {i % 2 == 1, i % 2 == 0}) {
      const auto [seconds, computing] = steps.step(muted);
      (muted ? p.control : p.real).push_back(seconds);
      (muted ? p.control_computing : p.real_computing).push_back(computing);
      (muted ? control : real) = ledgers_of(*m.mesh);
    }
    check_same_calls(real, control);
    ledgers.push_back(std::move(real));
    if (!alone || i >= cfg.alone) continue;
    steps.together();
    p.independent.push_back(alone->seconds());
  }
  alone.reset();
  for (const Communicator* c : m.mesh->communicators())
    p.lines[c->label()] = {c->size(), c->transport(), medians(ledgers, c->label())};

  steps.restore();
  for (std::int64_t i = 0; i < cfg.traced; ++i) {
    steps.together();
    if (i == 0) p.clock = steady_seconds();
    trace_step(p, m, learner, loader, i + 1);
  }
  for (Communicator* c : m.mesh->communicators()) c->settle_traffic(), c->time_by({});
  steps.restore();
  MeasuredKernels kernels(*m.device);
  steps.step(false);
  p.kernels = kernels.rows();
  p.memory.loader = double(loader.ready_bytes());
  before.restore();
  return p;
}

}  // namespace lact
