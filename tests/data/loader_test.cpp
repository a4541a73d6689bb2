#include "data/loader.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "data/views/open_views.hpp"
#include "data/views/view_samples.hpp"
#include "support/flat_views.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

// A loader of views and the samples that it gives.
struct Loading : ViewSamples, Loader {
  Loading(const ViewSource& source, const DataConfig& config, std::uint64_t seed, Device& device,
          std::vector<bool> seen = {})
      : ViewSamples(source, config, seed, std::move(seen)),
        Loader(static_cast<const ViewSamples&>(*this), config.threads, device) {}
  ViewBatch batch(std::int64_t first, std::int64_t count, std::int64_t stride = 0) {
    return Loader::batch(first, count, stride);
  }
};

struct LoaderTest : testing::TestWithParam<int> {
  FlatViews source;
  std::unique_ptr<Device> device = Device::open(Backend::cpu);
  DataConfig config{.image_size = {3, 5},
                    .num_all_views = 5,
                    .num_input_views = 2,
                    .num_target_views = 4,
                    .held_out = {0, 9},
                    .held_out_scenes = {1},
                    .threads = GetParam()};
  Loading loader() { return {source, config, 5, *device}; }
};

TEST_P(LoaderTest, ABatchHoldsItsChoices) {
  Loading l(source, config, 5, *device);
  const ViewBatch b = l.batch(4, 3);
  EXPECT_EQ(b.images.shape(), (Shape{3, 6, 3, 3, 5}));
  EXPECT_EQ(b.intrinsics.shape(), (Shape{3, 6, 4}));
  EXPECT_EQ(b.poses.shape(), (Shape{3, 6, 4, 4}));
  EXPECT_EQ(b.input_views, 2);
  EXPECT_EQ(b.target_views, 4);
  EXPECT_EQ(b.valid, 3 * 4 * 3 * 3 * 5);
  const auto images = b.images.to_floats(), intrinsics = b.intrinsics.to_floats(), poses = b.poses.to_floats();
  for (std::size_t i = 0; i < 3; ++i) {
    const ViewChoice c = l.choice(4 + std::int64_t(i));
    std::vector<std::int64_t> views = c.inputs;
    views.insert(views.end(), c.targets.begin(), c.targets.end());
    for (std::size_t v = 0; v < 6; ++v) {
      const std::size_t at = 6 * i + v;
      for (std::size_t p = 0; p < 45; ++p) ASSERT_EQ(images[45 * at + p], float(100 * c.scene + views[v]));
      EXPECT_EQ(intrinsics[4 * at + 3], float(views[v]));
      EXPECT_EQ(poses[16 * at + 3], float(views[v]));
      EXPECT_EQ(poses[16 * at + 7], float(c.scene));
    }
  }
}

TEST_P(LoaderTest, PositionAloneDecidesTheBatch) {
  Loading straight(source, config, 5, *device), jumping(source, config, 5, *device);
  std::vector<std::vector<float>> in_order;
  for (std::int64_t n = 0; n < 12; n += 2) in_order.push_back(straight.batch(n, 2).images.to_floats());
  for (std::int64_t n : {6, 8, 0, 10, 2, 4, 4})
    EXPECT_EQ(jumping.batch(n, 2).images.to_floats(), in_order[std::size_t(n / 2)]);
  for (std::int64_t n : {0, 4, 8}) EXPECT_EQ(jumping.batch(n, 2, 4).images.to_floats(), in_order[std::size_t(n / 2)]);
  const auto both = jumping.batch(2, 4).images.to_floats();  // another batch size, the same samples
  EXPECT_TRUE(std::equal(both.begin(), both.begin() + std::ptrdiff_t(both.size() / 2), in_order[1].begin()));
}

TEST_P(LoaderTest, HeldOutViewsAreNeverLoaded) {
  Loading l(source, config, 0, *device);
  for (std::int64_t n = 0; n < 60; n += 3) l.batch(n, 3);
  for (std::size_t s = 0; s < 3; ++s)
    for (std::size_t v = 0; v < 10; ++v) {
      const bool held_out = s == 1 || v == 0 || v == 9;
      EXPECT_EQ(source.loads[10 * s + v] == 0, held_out) << "scene " << s << " view " << v;
    }
}

TEST_P(LoaderTest, ViewsThatNobodyLooksAtAreNotRead) {
  config.threads = 0;  // no sample beyond those asked for
  const auto all = loader().batch(0, 1).images.to_floats();
  for (auto& n : source.loads) n = 0;
  Loading l(source, config, 5, *device, {true, false, false, true, true, false});
  const ViewBatch b = l.batch(0, 1);
  int read = 0;
  for (const auto& n : source.loads) read += n;
  EXPECT_EQ(read, 3);
  const auto images = b.images.to_floats();
  for (std::size_t v = 0; v < 6; ++v)
    for (std::size_t p = 0; p < 45; ++p)
      ASSERT_EQ(images[45 * v + p], v == 0 || v == 3 || v == 4 ? all[45 * v + p] : 0) << v;
  EXPECT_EQ(b.poses.to_floats(), loader().batch(0, 1).poses.to_floats());
  EXPECT_EQ(sentence_of([&] { Loading(source, config, 5, *device, {true}); }),
            "1 of the 6 views of a sample are said to be seen or not");
}

TEST_P(LoaderTest, AnErrorReachesTheCallerAndPasses) {
  Loading l(source, config, 5, *device);
  const ViewChoice first = l.choice(0);
  source.broken = first.inputs[0];
  EXPECT_EQ(sentence_of([&] { l.batch(0, 2); }), "picture " + std::to_string(first.inputs[0]) + " is broken");
  EXPECT_NE(sentence_of([&] { l.batch(0, 2); }), "no error");
  source.broken = -1;
  EXPECT_EQ(l.batch(0, 2).images.dim(0), 2);
}

// The picture in each place of a sample is that of a view: which one.
std::vector<std::int64_t> views_shown(const ViewBatch& b) {
  const auto numbers = b.intrinsics.to_floats();
  std::vector<std::int64_t> views;
  for (std::size_t i = 3; i < numbers.size(); i += 4) views.push_back(std::int64_t(numbers[i]));
  return views;
}

TEST_P(LoaderTest, OthersStandInForDamagedViewsWhoeverLooks) {
  config.scene_pose_normalize = true;
  Loading good(source, config, 5, *device);
  std::vector<std::vector<std::int64_t>> before, after;
  std::vector<std::vector<float>> poses;
  for (std::int64_t n = 0; n < 12; ++n) {
    const ViewBatch b = good.batch(n, 1);
    before.push_back(views_shown(b)), poses.push_back(b.poses.to_floats());
  }
  source.damaged = {2, 5};
  for (std::int64_t n = 0; n < 12; ++n) after.push_back(views_shown(loader().batch(n, 1)));
  for (std::int64_t n = 11; n >= 0; --n) {
    const auto at = std::size_t(n);
    const std::vector<float> now = loader().batch(n, 1).poses.to_floats();
    for (std::size_t v = 0; v < 6; ++v) {
      EXPECT_FALSE(source.damaged.contains(after[at][v]) || after[at][v] == 0 || after[at][v] == 9);
      if (source.damaged.contains(before[at][v])) continue;
      EXPECT_EQ(after[at][v], before[at][v]);
      for (std::size_t i = 16 * v; i < 16 * (v + 1); ++i) EXPECT_EQ(now[i], poses[at][i]);
    }
    for (std::size_t v = 0; v < 6; ++v) {  // a rank that looks at one view alone
      std::vector<bool> seen(6, false);
      seen[v] = true;
      Loading one(source, config, 5, *device, seen);
      const ViewBatch b = one.batch(n, 1);
      EXPECT_EQ(views_shown(b)[v], after[at][v]);
      const std::vector<float> p = b.poses.to_floats();
      EXPECT_TRUE(std::equal(p.begin() + std::ptrdiff_t(16 * v), p.begin() + std::ptrdiff_t(16 * (v + 1)),
                             now.begin() + std::ptrdiff_t(16 * v)));
    }
  }
}

TEST_P(LoaderTest, DamageIsRefusedWhereItMayNotBeSkippedOrNothingIsLeft) {
  source.damaged = {1, 2, 3, 4, 5, 6, 7, 8};
  const std::string said = sentence_of([&] { loader().batch(0, 1); });
  EXPECT_NE(said.find("all pictures of all 2 scenes to train on are damaged; picture "), said.npos) << said;
  source.damaged = {loader().choice(0).inputs[0]};
  config.damaged = "refuse";
  EXPECT_EQ(sentence_of([&] { loader().batch(0, 1); }),
            "picture " + std::to_string(*source.damaged.begin()) + " is damaged");
}

TEST_P(LoaderTest, OtherScenesStandInForOneThatHasNoPictureLeft) {
  config.held_out_scenes = {};
  Loading good(source, config, 5, *device);
  std::vector<std::vector<float>> before, after;
  for (std::int64_t n = 0; n < 12; ++n) before.push_back(good.batch(n, 1).images.to_floats());
  source.damaged_scene = 1;
  Loading straight(source, config, 5, *device);
  for (std::int64_t n = 0; n < 12; ++n) after.push_back(straight.batch(n, 1).images.to_floats());
  int replaced = 0;
  for (std::int64_t n = 11; n >= 0; --n) {
    const std::vector<float>& now = after[std::size_t(n)];
    EXPECT_EQ(loader().batch(n, 1).images.to_floats(), now) << "whatever came before";
    std::vector<bool> seen(6, false);
    seen[3] = true;
    Loading one(source, config, 5, *device, seen);  // a rank that looks at one view alone
    const std::vector<float> part = one.batch(n, 1).images.to_floats();
    EXPECT_TRUE(std::equal(part.begin() + 3 * 45, part.begin() + 4 * 45, now.begin() + 3 * 45));
    if (good.choice(n).scene != 1) {
      EXPECT_EQ(now, before[std::size_t(n)]);
      continue;
    }
    ++replaced;
    for (std::size_t v = 0; v < 6; ++v) {  // all of one other scene
      EXPECT_TRUE(now[45 * v] < 100 || now[45 * v] >= 200);
      EXPECT_EQ(now[45 * v] < 100, now[0] < 100);
    }
  }
  EXPECT_EQ(replaced, 4);
  EXPECT_EQ(straight.replaced(),
            (std::vector<std::string>{"scene 'flat1': all pictures of its views to train on are damaged"}));
}

TEST_P(LoaderTest, EndsQuicklyWhileThreadsWork) {
  source.delay = std::chrono::milliseconds(20);
  config.num_all_views = config.num_target_views = 8;
  std::chrono::steady_clock::time_point asked;
  {
    Loading l(source, config, 5, *device);
    l.batch(0, 1);
    asked = std::chrono::steady_clock::now();
  }
  // A sample takes 10 x 20 ms; a thread stops after the view in its hands. Slack for a busy machine.
  EXPECT_LT(std::chrono::steady_clock::now() - asked, std::chrono::milliseconds(150));
}

TEST_P(LoaderTest, PosesAreNormalisedOverAllDrawnViews) {
  config.scene_pose_normalize = true;
  Loading l(source, config, 5, *device);
  const auto poses = l.batch(0, 1).poses.to_floats();
  const ViewChoice c = l.choice(0);
  std::vector<Pose> want;
  for (std::int64_t v : c.drawn) want.push_back(source.camera(c.scene, v).c2w);
  normalise_poses(want);
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_EQ(poses[i], float(want[0][i]));           // the first input is the first view drawn
    EXPECT_EQ(poses[16 * 5 + i], float(want[4][i]));  // the last target is the last
  }
}

TEST_P(LoaderTest, ImpossiblePositionsAndConfigurationsAreRefused) {
  Loading l(source, config, 5, *device);
  EXPECT_EQ(sentence_of([&] { l.batch(-1, 2); }), "there are no 2 samples from -1 on in steps of 0");
  EXPECT_EQ(sentence_of([&] { l.batch(0, 0); }), "there are no 0 samples from 0 on in steps of 0");
  config.num_all_views = 9;
  EXPECT_EQ(sentence_of([&] { Loading(source, config, 5, *device); }),
            "scene 'flat0' has 8 views to train on, fewer than data.num_all_views, 9");
}

INSTANTIATE_TEST_SUITE_P(Threads, LoaderTest, testing::Values(0, 1, 3));

TEST(Loader, ThreadsWorkAheadOfTheCaller) {
  FlatViews source;
  auto device = Device::open(Backend::cpu);
  Loading l(source,
            {.image_size = {1, 1}, .num_all_views = 2, .num_input_views = 1, .num_target_views = 1, .threads = 2}, 0,
            *device);
  l.batch(0, 3);
  auto total = [&] {
    int sum = 0;
    for (const auto& n : source.loads) sum += n;
    return sum;
  };
  const int ahead = 2 * (3 + 3 + 2);  // views of the batch, of the next one, and of one more sample per thread
  for (int wait = 0; wait < 200 && total() < ahead; ++wait) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(total(), ahead);  // and no further: the queue is bounded
}

TEST(OpenViews, GeneratesWhereNoPathIsGiven) {
  DataConfig config{.image_size = {8, 8}};
  config.synthetic = {.scenes = 2, .views = 3};
  EXPECT_EQ(open_views(config)->scenes(), 2);
  const TemporaryFolder folder;
  config.path = folder / "none";
  EXPECT_NE(sentence_of([&] { open_views(config); }).find("/none: no such file or folder; data.path takes"),
            std::string::npos);
}

}  // namespace
}  // namespace lact
