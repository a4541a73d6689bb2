#include "data/views/view_sample.hpp"

#include <gtest/gtest.h>

#include "support/flat_views.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

class Samples : public testing::Test {
 protected:
  FlatViews source_;
  DataConfig config_{.image_size = {2, 2}, .num_input_views = 2, .held_out = {0, 9}};
};

TEST_F(Samples, TakeAnyViewsInTheGivenOrder) {
  const auto device = Device::open(Backend::cpu);
  const ViewBatch b = batch_of(chosen_sample(source_, given_views(2, {3, 0, 4}, {9}), config_), config_, *device);
  EXPECT_EQ(b.images.shape(), (Shape{1, 4, 3, 2, 2}));
  EXPECT_EQ(b.input_views, 3);
  EXPECT_EQ(b.valid, 12);
  const auto images = b.images.to_floats();
  EXPECT_EQ(images[0], 203);
  EXPECT_EQ(images[12], 200);
  EXPECT_EQ(images[36], 209);
}

TEST_F(Samples, OfAnEvaluationGoWithoutDamagedViews) {
  const ViewChoice asked = given_views(0, {2, 8}, {0, 9});
  source_.damaged = {8, 9};
  const ViewSample left = chosen_sample(source_, asked, config_);
  EXPECT_EQ(left.choice.inputs, (std::vector<std::int64_t>{2, 1}));  // behind 8 it begins anew
  EXPECT_EQ(left.choice.targets, (std::vector<std::int64_t>{0}));
  EXPECT_EQ(left.choice.drawn, asked.drawn);  // whose poses are normalised together
  EXPECT_EQ(left.images.size(), 36u);
  EXPECT_EQ(left.images[12], 1);
  source_.damaged = {1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(chosen_sample(source_, asked, config_).choice.inputs, (std::vector<std::int64_t>{8})) << "none is left";
  config_.damaged = "refuse";
  EXPECT_EQ(sentence_of([&] { chosen_sample(source_, asked, config_); }), "picture 2 is damaged");
}

TEST_F(Samples, ReadAPictureOnce) {
  chosen_sample(source_, given_views(0, {2, 8}, {0, 9, 2}), config_);
  for (const std::size_t v : {0u, 2u, 8u, 9u}) EXPECT_EQ(source_.loads[v], 1) << v;
}

}  // namespace
}  // namespace lact
