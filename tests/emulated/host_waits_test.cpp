// Where the host waits for a GPU: never inside a training step. Counted are finished streams and events, copies from or
// to memory that is not pinned, and memory asked of the driver (emulated::Counts). Each rank has a GPU of its own.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <atomic>

#include "data/views/open_views.hpp"
#include "data/views/view_samples.hpp"
#include "parallel/together.hpp"
#include "support/ranks.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_run.hpp"
#include "support/views_of.hpp"
#include "support/waiting.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

std::uint64_t waits() { return emulated::counts().waits; }
std::uint64_t kernels() { return emulated::counts().kernels; }

TEST(Copies, ToAGpuLeaveTheHostItsMemory) {
  const auto gpu = Device::open(Backend::cuda);
  std::vector<float> numbers(1000, 1);
  const Tensor a = Tensor::of(*gpu, {1000}, numbers), b = Tensor::empty(*gpu, {1000});
  const auto before = waits();
  numbers.assign(1000, 2);
  gpu->copy_in(b.raw(), numbers.data(), 4000);
  numbers.assign(1000, 3);
  EXPECT_EQ(waits(), before);
  EXPECT_EQ(a.to_floats(), std::vector<float>(1000, 1));
  EXPECT_EQ(b.to_floats(), std::vector<float>(1000, 2));
}

TEST(Copies, ToTheHostAreThereWhenRead) {
  const auto gpu = Device::open(Backend::cuda);
  const Tensor x = Tensor::empty(*gpu, {1});
  const float five_here = 5, six = 6;
  {
    const Arrival any = gpu->begin_copy_out(x.raw(), 4);
    gpu->copy_in(x.raw(), &five_here, 4);  // there is pinned memory for both from now on
  }
  const auto before = waits();
  const Arrival five = gpu->begin_copy_out(x.raw(), 4);
  gpu->copy_in(x.raw(), &six, 4);
  EXPECT_EQ(waits(), before);
  EXPECT_NE(*reinterpret_cast<const float*>(five.bytes.get()), 5) << "nobody has waited for it";
  EXPECT_EQ(*reinterpret_cast<const float*>(five.read()), 5);
  EXPECT_EQ(waits(), before + 1);
  EXPECT_EQ(x.item(), 6);
}

void expect_no_waits(const RunConfig& cfg) {
  const auto data = cfg.task->open_data(true);
  LoadedModel m(cfg, world().split(0, world().rank(), "world"));
  const bool graphs = cfg.compute.graphs && world().size() == 1;
  Learner learner(*m.model, m.store, *m.mesh, *m.device, cfg.train, 1, cfg.compute.graphs);
  const auto samples = data->samples(1, *m.model, *m.mesh);
  Loader loader(*samples, cfg.task->data_threads(), *m.device);
  const std::int64_t pixels = 5 * (3 * 16 * 16 + 4 + 16), sample_bytes = 4 * pixels,
                     batch_bytes = sample_bytes * cfg.train.batch_size / cfg.train.accumulate /
                                   m.mesh->grid().size[std::size_t(Axis::dp)];
  double last = 0;
  for (std::int64_t n = 0; n < 6; ++n) {
    std::uint64_t waited = waits(), started = kernels(), repeated = emulated::counts().graphs;
    const std::uint64_t allocated = emulated::counts().allocations;
    learner.begin(n, cfg.train.accumulate, [&](std::int64_t micro) {
      // so that each batch is sent while the one before it is at work
      EXPECT_TRUE((n == 0 && micro == 0) || comes_true([&] { return loader.ready_bytes() >= 2 * batch_bytes; }));
      return micro_batch(loader, cfg, *m.mesh, n, micro);
    });
    if (graphs && n > 2) {
      EXPECT_EQ(kernels(), started) << "step " << n;
    } else {
      EXPECT_GT(kernels(), started + 100);
    }
    EXPECT_EQ(emulated::counts().graphs, repeated + (graphs && n > 1));
    if (n > 1) {
      EXPECT_EQ(waits(), waited) << "step " << n;
      EXPECT_EQ(emulated::counts().allocations, allocated) << "step " << n;
    }
    if (n == 0) continue;
    waited = waits(), started = kernels();
    const StepReport r = learner.report();
    EXPECT_EQ(r.step, n - 1) << "while the next step is at work";
    EXPECT_EQ(r.skipped, "");
    EXPECT_NE(r.loss, last);
    last = r.loss;
    EXPECT_EQ(waits(), waited + 2) << "for its sums and its verdict";
    EXPECT_EQ(kernels(), started);
  }
  EXPECT_EQ(learner.report().step, 5);
  EXPECT_EQ(learner.optimizer().steps(), 6);
}

struct Case {
  std::string name;
  std::vector<std::string> overrides;
};
class Steps : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { setenv("EMULATED_GPUS", std::to_string(world().size()).c_str(), 1); }
  RunConfig config(std::vector<std::string> more) const {
    more.insert(more.end(), GetParam().overrides.begin(), GetParam().overrides.end());
    more.insert(more.end(), {"compute.device=cuda", "train.batch_size=4", "model.dim=32", "model.layers=2"});
    return RunConfig::load(folder_ / "tiny.yaml", more);
  }
  TemporaryFolder folder_;
  std::string file_ = folder_.write("tiny.yaml", tiny_config());
};

TEST_P(Steps, NeverWaitForTheGpuBetweenTheirFirstKernelAndTheirLast) {
  if (world().size() == 1)
    for (const std::string graphs : {"true", "false"})
      expect_no_waits(config({"data.threads=8", "compute.graphs=" + graphs}));
  else
    for (const char* axis : {"dp", "cp", "tp", "pp"}) {
      SCOPED_TRACE(axis);
      expect_no_waits(config({"data.threads=8", "parallel." + (axis + ("=" + std::to_string(world().size())))}));
    }
}

TEST_P(Steps, OfARunCostTheHostTheirReportsAlone) {
  auto waits_of = [&](int steps) {
    const auto before = waits();
    const std::atomic<bool> stop = false;
    RunConfig cfg = config({"data.threads=0", "train.constant_lr=true", "train.steps=" + std::to_string(steps)});
    cfg.run.dir = gathered(world(), folder_.path()).front() + "/" + std::to_string(steps);
    EXPECT_EQ(train(cfg, world().split(0, world().rank(), "world"), stop), Ended::finished);
    if (world().rank() == 0) {
      EXPECT_EQ(std::ssize(training_rows(cfg.run.dir)), steps);
    }
    return waits() - before;
  };
  EXPECT_EQ(waits_of(9), waits_of(4) + 5 * 2);
}

INSTANTIATE_TEST_SUITE_P(
    All, Steps,
    testing::Values(Case{"plain", {"train.accumulate=1", "train.activation_checkpointing=false"}},
                    Case{"recomputing", {"train.accumulate=1", "train.activation_checkpointing=true"}},
                    Case{"accumulating", {"train.accumulate=2", "train.activation_checkpointing=false"}},
                    Case{"both", {"train.accumulate=2", "train.activation_checkpointing=true"}}),
    [](const auto& test) { return test.param.name; });

TEST(Loader, BatchesSentAheadAreThoseAskedFor) {
  const TemporaryFolder folder;
  RunConfig cfg = RunConfig::load(folder.write("tiny.yaml", tiny_config()), {});
  const auto source = open_views(views_of(cfg).data);
  const ViewSamples samples(*source, views_of(cfg).data, 1);
  const auto gpu = Device::open(Backend::cuda), cpu = Device::open(Backend::cpu);
  Loader there(samples, 2, *gpu), here(samples, 2, *cpu);
  for (std::int64_t first : {0, 2, 4, 6, 2, 4, 0, 3, 5, 8}) {
    const ViewBatch a = there.batch(first, 2), b = here.batch(first, 2);
    EXPECT_EQ(a.images.to_floats(), b.images.to_floats()) << first;
    EXPECT_EQ(a.intrinsics.to_floats(), b.intrinsics.to_floats()) << first;
    EXPECT_EQ(a.poses.to_floats(), b.poses.to_floats()) << first;
    EXPECT_TRUE(comes_true([&] { return there.ready_bytes() > 0; }));
  }
}

}  // namespace
}  // namespace lact
