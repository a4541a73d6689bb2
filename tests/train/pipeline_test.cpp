// A step over the stages of a pipeline gives the bits of the same step on one rank.
#include <gtest/gtest.h>

#include <algorithm>

#include "autograd/broadcast.hpp"
#include "base/random.hpp"
#include "models/view_synthesis/model.hpp"
#include "support/ranks.hpp"
#include "train/layout.hpp"
#include "train/pipeline.hpp"

namespace lact {
namespace {

ViewSynthesisConfig small_model(std::int64_t layers) {
  ViewSynthesisConfig cfg;
  cfg.patch_size = 4, cfg.dim = 24, cfg.layers = layers;
  cfg.block_config = ViewSynthesisConfig::default_blocks();
  cfg.block_config[0].params.head_dim = 12;
  cfg.block_config[1].params.head_dim = 24;
  return cfg;
}

Tensor random_tensor(Device& d, Shape s, const std::string& name, double low, double high) {
  std::vector<float> x(std::size_t(count_of(s)));
  const std::uint64_t key = random_key(3, name);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(low + (high - low) * uniform(key, std::int64_t(i)));
  return Tensor::of(d, std::move(s), std::span<const float>(x));
}

// The numbers of a micro-batch: 3 inputs and 2 targets of 8 x 12 pixels.
ViewBatch batch_of(Device& d, std::int64_t micro, std::int64_t micro_batches) {
  constexpr std::int64_t items = 2, views = 5, h = 8, w = 12;
  const std::string name = "micro-batch " + std::to_string(micro);
  ViewBatch b;
  b.images = random_tensor(d, {items, views, 3, h, w}, name + " images", 0, 1);
  b.intrinsics = random_tensor(d, {items, views, 4}, name + " intrinsics", 5, 9);
  b.poses = random_tensor(d, {items, views, 4, 4}, name + " poses", -1, 1);
  b.input_views = 3, b.target_views = 2;
  b.valid = double(micro_batches * items * b.target_views * 3 * h * w);
  return b;
}

struct Result {
  double loss = 0;
  std::map<std::string, std::vector<float>> gradients;
};

// One step on the ranks of `mesh`; what other stages hold is gathered.
Result step_on(Mesh& mesh, Device& d, std::int64_t layers, int chunks, std::int64_t micro_batches, bool recompute) {
  ParameterStore store;
  ViewSynthesis model(store, small_model(layers));
  store.lay_out(d, mesh, 1);
  const int stages = mesh.grid().size[0] * chunks;
  const std::vector<double> costs(std::size_t(layers), 1.0);
  Pipeline pipeline(model, store, mesh, split_blocks(costs, 0.3, 0.4, stages), recompute);
  std::int64_t drawn = 0;
  const auto totals = pipeline.run({nullptr, d, mesh, 1, 0}, micro_batches, [&](std::int64_t micro) {
    EXPECT_EQ(micro, drawn++) << "every micro-batch once and in order";
    dawdle(mesh.world(), 1);
    return batch_of(d, micro, micro_batches);
  });
  EXPECT_EQ(drawn, micro_batches);
  Result r;
  Communicator& line = mesh.along(Axis::pp);
  line.all_reduce(totals.loss).wait();
  r.loss = totals.loss.item();
  for (const Parameter& p : store.parameters()) {
    const Tensor g = store.gradient(p);
    line.all_reduce(g).wait();
    r.gradients[p.name] = g.to_floats();
  }
  return r;
}

Mesh line_of_all() { return {Grid{{world().size(), 1, 1, 1}}, world().split(0, world().rank(), "world")}; }

TEST(Pipeline, GivesTheBitsOfOneRank) {
  set_threads(1);
  const auto d = device_of_rank(tested_backend());
  Mesh mesh = line_of_all(), alone = Mesh::alone();
  mesh.meet_on(*d);
  const int ranks = mesh.grid().size[0];
  constexpr std::int64_t layers = 7;
  for (std::int64_t micro_batches : {1, 2, 4, 6})
    for (int chunks : {1, 2})
      for (bool recompute : {false, true}) {
        if (chunks > 1 && (ranks == 1 || micro_batches % ranks != 0 || chunks * ranks > layers)) continue;
        const Result whole = step_on(alone, *d, layers, 1, micro_batches, false);
        const Result parts = step_on(mesh, *d, layers, chunks, micro_batches, recompute);
        EXPECT_EQ(parts.loss, whole.loss) << micro_batches << " " << chunks << " " << recompute;
        for (const auto& [name, g] : whole.gradients)
          EXPECT_EQ(parts.gradients.at(name), g) << name << " " << micro_batches << " " << chunks << " " << recompute;
      }
}

std::vector<float> images_on(Mesh& mesh, Device& d, const std::vector<Range>& stages, bool one_pass) {
  constexpr std::int64_t layers = 7;
  ParameterStore store;
  ViewSynthesis model(store, small_model(layers));
  const int pp = mesh.grid().size[0];
  model.cut_into(stages);
  store.keep([&](const Parameter& p) { return stage_of(model.place_of(p.name), stages) % pp == mesh.at(Axis::pp); });
  store.lay_out(d, mesh, 1);
  Ctx c{nullptr, d, mesh, 1, 0};
  const ViewBatch b = batch_of(d, 0, 1);
  if (one_pass) return model.predict(c, b).value().to_floats();
  ViewBatch inputs = b;
  inputs.images = dense(b.images.cut(1, {0, 3})), inputs.intrinsics = dense(b.intrinsics.cut(1, {0, 3}));
  inputs.poses = dense(b.poses.cut(1, {0, 3})), inputs.target_views = 0;
  const auto states = model.reconstruct(c, inputs);
  return model.render(c, states, dense(b.intrinsics.cut(1, {3, 5})), dense(b.poses.cut(1, {3, 5})), 8, 12)
      .value()
      .to_floats();
}

TEST(Pipeline, ImagesOfEveryRankAreThoseOfOneRank) {
  set_threads(1);
  const auto d = device_of_rank(tested_backend());
  Mesh mesh = line_of_all(), alone = Mesh::alone();
  mesh.meet_on(*d);
  const auto stages = split_blocks(std::vector<double>(7, 1.0), 0, 0, mesh.grid().size[0]);
  for (bool one_pass : {true, false})
    EXPECT_EQ(images_on(mesh, *d, stages, one_pass), images_on(alone, *d, {{0, 7}}, one_pass)) << one_pass;
}

TEST(Pipeline, CallsAndBytesAreThoseOfTheLists) {
  set_threads(1);
  const auto d = device_of_rank(tested_backend());
  Mesh mesh = line_of_all();
  mesh.meet_on(*d);
  const int ranks = mesh.grid().size[0], rank = mesh.at(Axis::pp);
  constexpr std::int64_t micro_batches = 4, activation_bytes = 2 * 5 * 6 * 24 * 4;  // items, views, patches, width, f32
  ParameterStore store;
  ViewSynthesis model(store, small_model(6));
  store.lay_out(*d, mesh, 1);
  Pipeline pipeline(model, store, mesh, split_blocks(std::vector<double>(6, 1.0), 0, 0, ranks), false);
  mesh.along(Axis::pp).reset_traffic();
  pipeline.run({nullptr, *d, mesh, 1, 0}, micro_batches,
               [&](std::int64_t micro) { return batch_of(*d, micro, micro_batches); });
  const auto row = mesh.along(Axis::pp).traffic().of(Op::exchange);
  const std::int64_t neighbours = (rank > 0) + (rank + 1 < ranks);
  EXPECT_EQ(row.bytes, neighbours * micro_batches * activation_bytes)
      << "one activation or cotangent to each, each time";
  const PipelineList list = pipeline_lists({ranks, micro_batches, 1})[std::size_t(rank)];
  const std::int64_t exchanges = std::ranges::count(list, PipelineAction::exchange, &PipelineAction::kind);
  EXPECT_EQ(row.calls, exchanges);
  EXPECT_EQ(mesh.along(Axis::pp).traffic().total().calls, exchanges) << "and nothing else";
}

}  // namespace
}  // namespace lact
