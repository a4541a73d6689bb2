// Steps that repeat as a CUDA graph are the steps that they would be otherwise, bit for bit, whatever happens between
// them; and what cannot be repeated is not.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/check.hpp"
#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"
#include "models/view_synthesis/evaluate.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_run.hpp"
#include "support/views_of.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

std::uint64_t kernels_started() { return emulated::counts().kernels; }
std::uint64_t graphs_started() { return emulated::counts().graphs; }

class Recording : public testing::Test {
 protected:
  std::unique_ptr<Device> gpu = Device::open(Backend::cuda);
  Tensor x = Tensor::of(*gpu, {2, 2}, std::vector<float>{1, 2, 3, 4}), y = Tensor::zeros(*gpu, {2, 2});
  void square_and_more() const {  // y = 2 x x + x
    const Tensor copy = like(x);
    copy_bytes(copy, x);
    kernels::matmul(y, x, copy, 2);
    kernels::add_to(y, copy);
  }
  void set(std::vector<float> v) const { gpu->copy_in(x.raw(), v.data(), 16); }
};

TEST_F(Recording, IsDoneWhenAskedForWithTheNumbersOfThen) {
  auto ask = [this] { square_and_more(); };
  EXPECT_EQ(gpu->record(ask), nullptr) << "nobody has asked for it before";
  gpu->apart(ask);
  EXPECT_EQ(y.to_floats(), (std::vector<float>{15, 22, 33, 48}));
  kernels::fill(y, 0);
  const auto recorded = gpu->record(ask);
  EXPECT_EQ(y.to_floats(), (std::vector<float>{0, 0, 0, 0}));
  set({1, 0, 0, 1});
  const auto started = kernels_started(), graphs = graphs_started();
  EXPECT_TRUE(recorded->replay());
  EXPECT_EQ(y.to_floats(), (std::vector<float>{3, 0, 0, 3}));
  set({2, 0, 0, 1});
  EXPECT_TRUE(recorded->replay());
  EXPECT_EQ(y.to_floats(), (std::vector<float>{10, 0, 0, 3}));
  EXPECT_EQ(kernels_started(), started);
  EXPECT_EQ(graphs_started(), graphs + 2);
}

TEST_F(Recording, OfWhatTheHostHasAPartInIsAnErrorAndLeavesNothingBehind) {
  const Event event = gpu->compute().mark();
  std::vector<float> here(4);
  const std::vector<std::pair<std::string, std::function<void()>>> cases{
      {"waits for the stream", [&] { gpu->compute().finish(); }},
      {"waits for an event", [&] { event.wait(); }},
      {"asks for an event", [&] { event.happened(); }},
      {"marks the stream", [&] { gpu->compute().mark(); }},
      {"reads numbers", [&] { x.to_floats(); }},
      {"will read numbers", [&] { gpu->begin_copy_out(x.raw(), 16); }},
      {"writes numbers",
       [&] {
         set({1, 2, 3, 4});
       }},
      {"takes new memory", [&] { Tensor::empty(*gpu, {1 << 20}); }},
      {"fetches memory",
       [] {
         void* p = nullptr;
         EXPECT_NE(cudaMalloc(&p, 256), cudaSuccess);
       }},
      {"copies from memory that is not pinned",
       [&] {
         auto stream = static_cast<cudaStream_t>(gpu->compute().native());
         EXPECT_NE(cudaMemcpyAsync(x.raw(), here.data(), 16, cudaMemcpyHostToDevice, stream), cudaSuccess);
       }},
      {"fails", [] { fail("a sentence of its own"); }}};
  for (const auto& [what, wrong] : cases) {
    SCOPED_TRACE(what);
    auto ask = [&, &wrong = wrong] { square_and_more(), wrong(), square_and_more(); };
    gpu->apart([this] { square_and_more(), square_and_more(); });
    const auto held = gpu->memory().now;
    try {
      gpu->record(ask);
      ADD_FAILURE() << "it was recorded";
    } catch (const Error& e) {
      EXPECT_TRUE(what != "fails" || std::string(e.what()) == "a sentence of its own") << e.what();
    }
    EXPECT_EQ(gpu->memory().now, held);
    kernels::fill(y, 0);
    square_and_more();
    EXPECT_EQ(y.to_floats(), (std::vector<float>{15, 22, 33, 48}));
  }
}

TEST_F(Recording, HoldsItsMemoryUntilOthersNeedIt) {
  auto ask = [this] { const Tensor large = Tensor::zeros(*gpu, {8 << 20}); };
  constexpr std::size_t bytes = 32 << 20;
  const auto before = gpu->memory().now;
  gpu->apart(ask);
  EXPECT_EQ(gpu->memory().now, before);
  auto first = gpu->record(ask), second = gpu->record(ask);
  EXPECT_EQ(gpu->memory().now, before + bytes) << "both use the same";
  gpu->reset_peak();
  EXPECT_TRUE(first->replay());
  gpu->apart(ask);
  EXPECT_EQ(gpu->memory().peak, before + bytes);
  first.reset();
  EXPECT_EQ(gpu->memory().now, before + bytes);
  {
    const Tensor other = Tensor::empty(*gpu, {8 << 20});
    EXPECT_EQ(gpu->memory().now, before + 2 * bytes);
    emulated::limit_memory(emulated::fetched_memory() + bytes / 2);
    EXPECT_TRUE(second->replay());
    const Tensor third = Tensor::empty(*gpu, {8 << 20});
    EXPECT_FALSE(second->replay());
    EXPECT_EQ(gpu->memory().now, before + 2 * bytes);
    EXPECT_EQ(gpu->record(ask), nullptr) << "its memory is gone";
    EXPECT_THROW(Tensor::empty(*gpu, {8 << 20}), Error);
  }
  emulated::limit_memory(std::size_t(-1));
  gpu->apart(ask);
  EXPECT_NE(gpu->record(ask), nullptr);
}

// A learner with all that it needs, on samples of the loader.
struct Training {
  explicit Training(const RunConfig& c, bool graphs)
      : cfg(c),
        data(cfg.task->open_data(true)),
        m(cfg),
        learner(*m.model, m.store, *m.mesh, *m.device, cfg.train, 1, graphs),
        samples(data->samples(1, *m.model, *m.mesh)),
        loader(*samples, cfg.task->data_threads(), *m.device) {}
  StepReport step(std::int64_t n) {
    return learner.step(n, cfg.train.accumulate, [&](std::int64_t micro) {
      Batch b = micro_batch(loader, cfg, *m.mesh, n, micro);
      if (n == not_finite) kernels::fill(b.tensor("images"), std::nan(""));
      return b;
    });
  }
  std::vector<std::vector<double>> numbers() {
    std::vector<std::vector<double>> all;
    for (const auto& b : m.store.buckets())
      for (const Tensor* t : {&b.value, &b.first, &b.second}) all.push_back(t->to_doubles());
    return all;
  }
  RunConfig cfg;
  std::unique_ptr<Dataset> data;
  LoadedModel m;
  Learner learner;
  std::unique_ptr<Samples> samples;
  Loader loader;
  std::int64_t not_finite = -1;
};

void expect_same_step(const StepReport& a, const StepReport& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_TRUE(a.loss == b.loss || (std::isnan(a.loss) && std::isnan(b.loss))) << a.loss << " " << b.loss;
  EXPECT_TRUE(a.grad_norm == b.grad_norm || (std::isnan(a.grad_norm) && std::isnan(b.grad_norm)));
  EXPECT_EQ(a.rate, b.rate);
  EXPECT_EQ(a.skipped, b.skipped);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.flops.total(), b.flops.total());
}

struct Case {
  std::string name;
  std::vector<std::string> overrides;
};
class Graphs : public testing::TestWithParam<Case> {
 protected:
  RunConfig config(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), GetParam().overrides.begin(), GetParam().overrides.end());
    more.insert(more.end(), {"compute.device=cuda", "data.threads=2", "train.steps=12", "train.warmup=3"});
    return RunConfig::load(folder_ / "tiny.yaml", more);
  }
  // Steps with and without graphs; `between(run, n)` before each.
  void expect_equal(const RunConfig& cfg, std::int64_t steps, const std::vector<bool>& replayed,
                    const std::function<void(Training&, std::int64_t)>& between) const {
    Training with(cfg, true), without(cfg, false);
    for (std::int64_t n = 0; n < steps; ++n) {
      SCOPED_TRACE("step " + std::to_string(n));
      between(with, n), between(without, n);
      const auto kernels = kernels_started(), graphs = graphs_started();
      const StepReport mine = with.step(n);
      EXPECT_EQ(with.learner.replayed(), replayed[std::size_t(n)]);
      EXPECT_EQ(graphs_started(), graphs + replayed[std::size_t(n)]);
      if (n > 0 && replayed[std::size_t(n)] && replayed[std::size_t(n - 1)]) {
        EXPECT_EQ(kernels_started(), kernels + (n == with.not_finite) * cfg.train.accumulate);
      }
      expect_same_step(mine, without.step(n));
      EXPECT_FALSE(without.learner.replayed());
    }
    EXPECT_EQ(with.numbers(), without.numbers());
    EXPECT_EQ(with.learner.optimizer().steps(), without.learner.optimizer().steps());
  }
  TemporaryFolder folder_;
  std::string file_ = folder_.write("tiny.yaml", tiny_config());
};

TEST_P(Graphs, StepsAreTheSameWithAnythingBetweenThem) {
  auto between = [&](Training& run, std::int64_t n) {
    run.not_finite = 4;
    if (n == 6) {
      Ctx c = run.m.context();
      run.data->evaluator(*run.m.model)->evaluate(c);
    }
    if (n == 7)
      write_checkpoint(folder_ / "checkpoint", run.m.store, *run.m.mesh, {.config = to_yaml(Fields::of(run.cfg))});
    if (n >= 6)  // whatever blocks are free
      for (std::int64_t size = 64; size <= 1 << 20; size *= 2) {
        const Tensor t = Tensor::empty(*run.m.device, {size});
        kernels::fill(t, std::nan(""));
      }
  };
  const bool y = true, n = false;
  expect_equal(config(), 9, {n, n, y, y, y, y, y, y, y}, between);
}

TEST_P(Graphs, AnotherShapeOrRuleIsAskedForStepByStepAndThenRepeated) {
  const std::int64_t whole = views_of(config()).data.num_target_views;
  auto between = [&](Training& run, std::int64_t n) {
    if (n == 4) run.cfg.train.accumulate = 3 - run.cfg.train.accumulate;  // as many samples otherwise divided
    if (n == 8) run.cfg.train.batch_size *= 2;
    EXPECT_EQ(views_of(run.cfg).data.num_target_views, whole);
  };
  const bool y = true, n = false;
  // from step 12 on norms are bounded
  expect_equal(config({"train.free_steps=11"}), 15, {n, n, y, y, n, n, y, y, n, n, y, y, n, n, y}, between);
}

TEST_P(Graphs, AStepWhoseSpansAreRecordedIsNoGraph) {
  std::vector<Spans> spans(2);
  auto between = [&](Training& run, std::int64_t n) {
    run.learner.record(n == 3 || n == 4 ? &spans[0] : nullptr);
    run.learner.pipeline().watch([](const PipelineAction&, bool) {});
  };
  const bool y = true, n = false;
  expect_equal(config(), 8, {n, n, y, n, n, n, n, y}, between);
}

TEST_P(Graphs, MemoryIsReportedAsOfTheStepsThatTheyRepeat) {
  Training run(config({"data.threads=0"}), true);
  std::vector<std::size_t> peaks;
  for (std::int64_t n = 0; n < 5; ++n) {
    run.m.device->reset_peak();
    run.step(n);
    peaks.push_back(run.m.device->memory().peak);
  }
  EXPECT_TRUE(run.learner.replayed());
  const std::size_t before = run.m.device->memory().now;
  const Batch drawn = micro_batch(run.loader, run.cfg, *run.m.mesh, 5, 0);  // beside all that a graph holds
  const std::size_t step = peaks[1], graph = step + run.m.device->memory().now - before;
  EXPECT_LE(peaks[0], step);
  EXPECT_EQ(peaks, (std::vector<std::size_t>{peaks[0], step, step, graph, graph}));
}

TEST_P(Graphs, ThatOthersTakeTheMemoryOfComeAgain) {
  bool taken = false;
  auto between = [&](Training& run, std::int64_t n) {
    if (n != 4 || !run.learner.replayed()) return;
    const auto held = run.m.device->memory().now;
    emulated::limit_memory(emulated::fetched_memory());
    std::vector<Tensor> others;
    for (std::size_t bytes = 0; run.m.device->memory().now == held + bytes; bytes += 4096)
      others.push_back(Tensor::zeros(*run.m.device, {1024}));
    EXPECT_GT(others.size(), 1u);
    emulated::limit_memory(std::size_t(-1));
    taken = true;
  };
  const bool y = true, n = false;
  expect_equal(config(), 8, {n, n, y, y, n, n, y, y}, between);
  EXPECT_TRUE(taken);
}

TEST_P(Graphs, ThatCannotBeMadeCostNothing) {
  auto watched = [](Training& run, std::int64_t) {
    run.learner.pipeline().watch([&device = *run.m.device](const PipelineAction&, bool) { device.compute().finish(); });
  };
  testing::internal::CaptureStderr();
  expect_equal(config(), 5, std::vector<bool>(5, false), watched);
  const std::string said = testing::internal::GetCapturedStderr(), line = "steps are not repeated as a CUDA graph";
  EXPECT_NE(said.find(line), std::string::npos) << said;
  EXPECT_EQ(said.find(line), said.rfind(line)) << "said once";
  setenv("EMULATED_NO_GRAPHS", "1", 1);
  expect_equal(config(), 5, std::vector<bool>(5, false), [](Training&, std::int64_t) {});
  unsetenv("EMULATED_NO_GRAPHS");
}

TEST_P(Graphs, AreSeenByAProfilerAsOneStep) {
  setenv("LACT_NVTX", "1", 1);
  const bool y = true, n = false;
  expect_equal(config(), 4, {n, n, y, y}, [](Training&, std::int64_t) {});
  unsetenv("LACT_NVTX");
}

TEST_P(Graphs, ARunThatEvaluatesSavesAndResumesIsTheSame) {
  const std::atomic<bool> stop = false;
  auto trained = [&](const std::string& name, const std::string& graphs, std::vector<std::int64_t> until) {
    for (std::int64_t steps : until) {
      const auto before = graphs_started();
      const RunConfig cfg = config({"run.dir=" + folder_ / name, "compute.graphs=" + graphs, "train.eval_every=4",
                                    "train.checkpoint_every=5", "train.constant_lr=true", "train.skip_norm=0.06"});
      RunConfig c = cfg;
      c.train.steps = steps;
      EXPECT_EQ(train(c, self_communicator("world"), stop), Ended::finished);
      EXPECT_EQ(graphs_started() > before, graphs == "true");
    }
    return folder_ / name;
  };
  const std::string with = trained("with", "true", {8, 12}), without = trained("without", "false", {12});
  EXPECT_EQ(told_by(with), told_by(without));
  EXPECT_TRUE(std::ranges::any_of(training_rows(with), [](const Json& row) { return row.has("skipped"); }));
  const auto a = numbers_in(newest_checkpoint(with)), b = numbers_in(newest_checkpoint(without));
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, bytes] : a) EXPECT_TRUE(b.at(name) == bytes) << name;
}

INSTANTIATE_TEST_SUITE_P(
    All, Graphs,
    testing::Values(Case{"plain", {"train.accumulate=1", "train.activation_checkpointing=false"}},
                    Case{"recomputing", {"train.accumulate=1", "train.activation_checkpointing=true"}},
                    Case{"accumulating", {"train.accumulate=2", "train.activation_checkpointing=false"}},
                    Case{"bf16",
                         {"train.accumulate=2", "train.activation_checkpointing=true", "train.precision=bf16"}}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace lact
