#include "data/views/view_choice.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "support/temporary_folder.hpp"

namespace lact {
namespace {

using List = std::vector<std::int64_t>;

class Counted : public ViewSource {  // scenes with so many views each, and nothing in them
 public:
  explicit Counted(List views) : views_(std::move(views)) {}
  std::int64_t scenes() const override { return std::int64_t(views_.size()); }
  std::string scene_name(std::int64_t s) const override { return "s" + std::to_string(s); }
  std::int64_t views(std::int64_t s) const override { return views_[std::size_t(s)]; }
  PosedView load(std::int64_t, std::int64_t, std::int64_t, std::int64_t) const override { return {}; }
  Camera camera(std::int64_t, std::int64_t) const override { return {}; }

 private:
  List views_;
};

DataConfig small() { return {.num_all_views = 5, .num_input_views = 3, .num_target_views = 3, .held_out = {6, 2}}; }

TEST(Views, SplitKeepsEveryViewOnOneSide) {
  const Split s = split_views(5, {3, 0}, "scene 'a'");
  EXPECT_EQ(s.train, (List{1, 2, 4}));
  EXPECT_EQ(s.held_out, (List{0, 3}));
  EXPECT_EQ(sentence_of([] { split_views(5, {5}, "scene 'a'"); }),
            "data.held_out names view 5, but scene 'a' has 5 views");
}

TEST(Views, ASampleIsDrawnWithoutReplacementFromTrainingViews) {
  const DataConfig c = small();
  const auto scenes = training_views(Counted({7, 9, 8}), c);
  std::vector<std::set<std::int64_t>> seen(3);
  for (std::int64_t n = 0; n < 300; ++n) {
    const ViewChoice v = choose_views(1, n, scenes, c);
    const std::set<std::int64_t> distinct(v.drawn.begin(), v.drawn.end());
    EXPECT_EQ(distinct.size(), 5u);
    EXPECT_FALSE(distinct.contains(2) || distinct.contains(6));
    EXPECT_EQ(v.inputs, List(v.drawn.begin(), v.drawn.begin() + 3));
    EXPECT_EQ(v.targets, List(v.drawn.end() - 3, v.drawn.end()));  // the middle view is both
    seen[std::size_t(v.scene)].insert(distinct.begin(), distinct.end());
  }
  EXPECT_EQ(seen[0], (std::set<std::int64_t>{0, 1, 3, 4, 5}));
  EXPECT_EQ(seen[1], (std::set<std::int64_t>{0, 1, 3, 4, 5, 7, 8}));
  EXPECT_EQ(seen[2], (std::set<std::int64_t>{0, 1, 3, 4, 5, 7}));
}

TEST(Views, EveryViewIsAnInputEquallyOften) {
  DataConfig c{.num_all_views = 4, .num_input_views = 1, .num_target_views = 1};
  const auto scenes = training_views(Counted({10}), c);
  std::vector<int> count(10);
  const int samples = 10000;
  for (int n = 0; n < samples; ++n) ++count[std::size_t(choose_views(7, n, scenes, c).inputs[0])];
  for (int k : count) EXPECT_NEAR(k, samples / 10, 5 * 30);  // five standard deviations, sqrt(10000 * 0.1 * 0.9)
}

TEST(Views, AnEpochVisitsEverySceneOnceAndEpochsDiffer) {
  DataConfig c = small();
  c.held_out = {}, c.held_out_scenes = {1};
  const auto scenes = training_views(Counted(List(8, 5)), c);
  std::set<List> orders;
  for (std::int64_t epoch = 0; epoch < 6; ++epoch) {
    List order;
    for (std::int64_t i = 0; i < 7; ++i) order.push_back(choose_views(3, 7 * epoch + i, scenes, c).scene);
    orders.insert(order);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, (List{0, 2, 3, 4, 5, 6, 7}));
  }
  EXPECT_GT(orders.size(), 4u);  // of 7! orders
}

TEST(Views, ASampleIsAFunctionOfSeedAndNumber) {
  const DataConfig c = small();
  const auto scenes = training_views(Counted({30, 30}), c);
  auto drawn = [&](std::uint64_t seed, std::int64_t n) { return choose_views(seed, n, scenes, c).drawn; };
  EXPECT_EQ(drawn(0, 12345678901), drawn(0, 12345678901));
  EXPECT_NE(drawn(0, 4), drawn(1, 4));
  EXPECT_NE(drawn(0, 4), drawn(0, 5));
}

TEST(Views, TooFewViewsOrScenesAreNamed) {
  DataConfig c = small();
  EXPECT_EQ(sentence_of([&] {
              training_views(Counted({9, 7, 6}), c);
            }),
            "data.held_out names view 6, but scene 's2' has 6 views");
  c.num_all_views = 6;
  EXPECT_EQ(sentence_of([&] {
              training_views(Counted({9, 7}), c);
            }),
            "scene 's1' has 5 views to train on, fewer than data.num_all_views, 6");
  c.held_out_scenes = {2};
  EXPECT_EQ(sentence_of([&] {
              training_views(Counted({9, 8}), c);
            }),
            "data.held_out_scenes names scene 2, but there are 2");
  c.held_out_scenes = {0, 1};
  EXPECT_EQ(sentence_of([&] {
              training_views(Counted({9, 8}), c);
            }),
            "data.held_out_scenes leaves none of 2 scenes to train on");
}

TEST(Views, EvaluationInputsAreNeverHeldOut) {
  DataConfig c{.num_all_views = 4, .num_input_views = 4, .num_target_views = 1};
  const Split s = split_views(10, {0, 9}, "scene 'a'");
  EXPECT_EQ(evaluation_inputs(s, c, "scene 'a'"), (List{1, 3, 5, 7}));
  c.eval_inputs = {8, 1};
  EXPECT_EQ(evaluation_inputs(s, c, "scene 'a'"), (List{8, 1}));
  c.eval_inputs = {8, 9};
  EXPECT_EQ(sentence_of([&] { evaluation_inputs(s, c, "scene 'a'"); }),
            "data.eval_inputs names view 9, which data.held_out keeps for judging");
  c.eval_inputs = {10};
  EXPECT_EQ(sentence_of([&] { evaluation_inputs(s, c, "scene 'a'"); }),
            "data.eval_inputs names view 10, but scene 'a' has 10 views");
  c.eval_inputs = {}, c.num_input_views = 9;
  EXPECT_EQ(sentence_of([&] { evaluation_inputs(s, c, "scene 'a'"); }),
            "scene 'a' has 8 views that are not held out, fewer than data.num_input_views, 9");
}

TEST(Views, AGivenChoiceListsEachViewOnce) {
  const ViewChoice v = given_views(2, {5, 1}, {1, 7});
  EXPECT_EQ(v.scene, 2);
  EXPECT_EQ(v.drawn, (List{5, 1, 7}));
  EXPECT_EQ(v.targets, (List{1, 7}));
}

TEST(DataConfig, ImpossibleValuesAreNamed) {
  auto error_with = [](void (*change)(DataConfig&)) {
    DataConfig c;
    change(c);
    return sentence_of([&] { check_data(c); });
  };
  EXPECT_EQ(error_with([](DataConfig&) {}), "no error");
  EXPECT_EQ(error_with([](DataConfig& c) { c.num_all_views = 8; }), "no error");  // every view is input and target
  EXPECT_EQ(error_with([](DataConfig& c) { c.image_size = {64}; }),
            "data.image_size has 1 numbers; it wants two, height and width");
  EXPECT_EQ(error_with([](DataConfig& c) {
              c.image_size = {64, 0};
            }),
            "data.image_size holds 0; a side is between 1 and 16384");
  EXPECT_EQ(error_with([](DataConfig& c) { c.num_input_views = 0; }),
            "data.num_input_views is 0; at least one view is needed");
  EXPECT_EQ(error_with([](DataConfig& c) { c.num_target_views = -1; }),
            "data.num_target_views is -1; at least one view is needed");
  EXPECT_EQ(error_with([](DataConfig& c) { c.num_all_views = 7; }),
            "data.num_all_views is 7, fewer than data.num_input_views, 8");
  EXPECT_EQ(error_with([](DataConfig& c) { c.num_target_views = 16; }),
            "data.num_all_views is 15, fewer than data.num_target_views, 16");
  EXPECT_EQ(error_with([](DataConfig& c) { c.held_out = {1, -2}; }), "data.held_out holds -2; indices count from 0");
  EXPECT_EQ(error_with([](DataConfig& c) { c.eval_inputs = {3, 1, 3}; }), "data.eval_inputs holds 3 twice");
  EXPECT_EQ(error_with([](DataConfig& c) { c.threads = -1; }),
            "data.threads is -1; between 0 and 256 threads can prepare samples");
  EXPECT_EQ(error_with([](DataConfig& c) { c.cache_mb = -1; }), "data.cache_mb is -1, not a sensible size");
}

TEST(DataConfig, EveryKeyHasASentence) {
  DataConfig c;
  const Fields fields = Fields::of(c);
  for (const Fields::Field& f : fields.fields()) EXPECT_FALSE(f.help.empty()) << f.key;
  read_config_text(fields, "{path: p, image_size: [3, 4], held_out: [1], synthetic: {scenes: 2}}", "c.yaml");
  EXPECT_EQ(c.width(), 4);
  EXPECT_EQ(c.synthetic.scenes, 2);
}

}  // namespace
}  // namespace lact
