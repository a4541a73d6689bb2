// A task that is none of the program's own, in this one file, goes through all that the program does with a task: it is
// trained in every layout of 1, 2, 3 and 4 ranks, evaluated, saved, taken up under another layout, planned, profiled,
// benched, inspected. Called with a command this file's program is `lact` with one task more.
#include <gtest/gtest.h>

#include <set>

#include "app/program.hpp"
#include "autograd/broadcast.hpp"
#include "base/random.hpp"
#include "docs/gated_unit.hpp"
#include "layers/fast_weights/ttt.hpp"
#include "layers/linear.hpp"
#include "layers/token_layout.hpp"
#include "models/tasks.hpp"
#include "parallel/launch/starter.hpp"
#include "run/report.hpp"
#include "support/temporary_folder.hpp"
#include "train/config.hpp"

namespace lact {
namespace {

// Sequences of vectors, of which only the first `valid` are asked for: the task is to give each one's absolute values.
struct SequenceConfig {
  std::int64_t tokens = 10, channels = 3, chunk = 4;
  std::int64_t threads = 1, held_out = 3;
  Path path;
  void fields(Fields& f) {
    f("path", path, "unused: the sequences are generated");
    f("threads", threads, "threads that make samples ahead");
    f("tokens", tokens, "vectors of a sequence");
    f("channels", channels, "numbers of a vector");
    f("held_out", held_out, "sequences that are evaluated and never trained on");
  }
};
struct SequenceModelConfig {
  std::int64_t dim = 12, heads = 2, layers = 4;
  void fields(Fields& f) {
    f("dim", dim, "width");
    f("heads", heads, "fast-weight heads");
    f("layers", layers, "blocks");
  }
};

constexpr std::int64_t held_out_from = std::int64_t(1) << 30;  // numbers of samples

std::int64_t valid_tokens(const SequenceConfig& cfg, std::int64_t number) { return 1 + (7 * number + 3) % cfg.tokens; }

class Sequences final : public Samples {
 public:
  Sequences(const SequenceConfig& cfg, std::uint64_t seed) : cfg_(cfg), seed_(seed) {}
  Sample read(std::int64_t number, const std::stop_token&) const override {
    std::vector<float> x, mask;
    const std::uint64_t key = random_key(seed_, "sequence", number);
    for (std::int64_t i = 0; i < cfg_.tokens * cfg_.channels; ++i) x.push_back(float(normal(key, i)));
    for (std::int64_t t = 0; t < cfg_.tokens; ++t) mask.push_back(t < valid_tokens(cfg_, number) ? 1.f : 0.f);
    Sample s;
    s.tensors.push_back({"vectors", {cfg_.tokens, cfg_.channels}, std::move(x)});
    s.tensors.push_back({"asked", {cfg_.tokens, 1}, std::move(mask)});
    return s;
  }
  double valid(Range numbers) const override {
    std::int64_t sum = 0;
    for (std::int64_t n = numbers.begin; n < numbers.end; ++n) sum += valid_tokens(cfg_, n) * cfg_.channels;
    return double(sum);
  }
  FileWork reading() const override { return {"making", "sequences"}; }

 private:
  SequenceConfig cfg_;
  std::uint64_t seed_;
};

// Blocks of a causal fast-weight layer and a gated feed-forward layer each.
class SequenceModel final : public Model {
 public:
  SequenceModel(ParameterStore& store, const SequenceModelConfig& cfg, const SequenceConfig& data, CpMode mode)
      : cfg_(cfg),
        data_(data),
        in_(Scope(store) / "in", data.channels, cfg.dim, gaussian(0.3)),
        out_norm_(Scope(store) / "out_norm", cfg.dim),
        out_(Scope(store) / "out", cfg.dim, data.channels, gaussian(0.3)) {
    const InitScale init = InitScale::of(2 * cfg.layers);
    const TttConfig fast{.head_dim = cfg.dim / cfg.heads, .inter_multi = 2, .muon_update_steps = 3, .cp_mode = mode};
    for (std::int64_t i = 0; i < cfg.layers; ++i) {
      const Scope s = Scope(store) / "blocks" / std::to_string(i);
      blocks_.push_back({LayerNorm(s / "norm", cfg.dim), Ttt(s / "fast", cfg.dim, fast, init),
                         LayerNorm(s / "gated_norm", cfg.dim), GatedUnit(s / "gated", cfg.dim, 2 * cfg.dim, init)});
    }
  }
  int blocks() const override { return int(blocks_.size()); }
  std::int64_t place_of(const std::string& parameter) const override {
    if (parameter.starts_with("blocks.")) return std::stoll(parameter.substr(7));
    return parameter.starts_with("out") ? blocks() : -1;
  }
  Var embed(Ctx& c, const Batch& b) override {
    const Tensor x = rows(c, b.tensor("vectors"));
    return in_(c, c.activations == x.dtype() ? Var(x) : cast(x, c.activations));
  }
  Var block(Ctx& c, int i, const Var& x, const Batch&) override {
    const Block& b = blocks_[std::size_t(i)];
    const TokenLayout tokens = layout(c);
    const Var y = add(x, b.fast(c, b.norm(c, x), plan(), tokens).y);
    return add(y, b.gated(c, b.gated_norm(c, y), tokens));
  }
  Var head(Ctx& c, const Var& x, const Batch& b) override {
    Var y = widened(out_(c, out_norm_(c, x)));
    const Tensor t = rows(c, b.tensor("vectors")), mask = rows(c, b.tensor("asked"));
    Var target = sqrt(square(Var(t))), asked = expand(Var(mask), t.shape());
    if (y.value().dtype() == DType::f64) target = cast(target, DType::f64), asked = cast(asked, DType::f64);
    return scale(sum(square(mul(sub(y, target), asked))), 1 / b.valid);
  }
  Tensor hidden(const Ctx& c, const Batch& b) const override {
    return Tensor::empty(c.device, {b.samples(), total(layout(c).rows()), cfg_.dim}, c.activations);
  }
  std::int64_t tokens(const Batch& b) const override { return b.samples() * data_.tokens; }
  Flops forward_flops(const Batch& b) const override {
    const FlopsOfParts parts = flops(cfg_, data_, b.samples());
    Flops all = parts.embed;
    for (int i = 0; i < blocks(); ++i) all += parts.block;
    return all += parts.head;
  }

  static FlopsOfParts flops(const SequenceModelConfig& cfg, const SequenceConfig& data, std::int64_t samples) {
    const auto n = double(samples * data.tokens), d = double(cfg.dim);
    FlopsOfParts f;
    f.embed.linear = f.head.linear = 2 * n * d * double(data.channels);
    f.block.linear = (8 + 12) * n * d * d;  // projections of the fast-weight layer, and the gated one
    const auto heads = double(cfg.heads), items = double(samples) * heads, head = d / heads;
    const double updated =
        double((data.tokens - 1) / data.chunk * data.chunk * samples) * heads;  // all but the last chunk
    f.block += fast_weight_flops(updated, n * heads, items, head, 2 * head, 3);
    return f;
  }

 private:
  struct Block {
    LayerNorm norm;
    Ttt fast;
    LayerNorm gated_norm;
    GatedUnit gated;
  };
  TttPlan plan() const { return plan_causal(data_.tokens, data_.chunk); }
  TokenLayout layout(const Ctx& c) const { return TokenLayout::of(plan(), data_.tokens, c.mesh); }
  // Of [b, tokens, ...] those that this rank holds.
  Tensor rows(const Ctx& c, const Tensor& all) const {
    std::vector<Var> parts{Var(Tensor::zeros(c.device, {all.dim(0), 0, all.dim(2)}))};
    for (const Range& r : layout(c).rows()) parts.emplace_back(dense(all.cut(1, r)));
    return dense(join(parts, 1).value());
  }
  SequenceModelConfig cfg_;
  SequenceConfig data_;
  Linear in_;
  std::vector<Block> blocks_;
  LayerNorm out_norm_;
  Linear out_;
};

class SequenceEvaluator final : public Evaluator {
 public:
  SequenceEvaluator(Model& model, const SequenceConfig& cfg) : model_(model), cfg_(cfg) {}
  std::string judged() const override { return "held-out sequences"; }
  std::string why_none() const override { return cfg_.held_out > 0 ? "" : "no sequence is held out (data.held_out)"; }
  std::string mend() const override { return "set data.held_out"; }
  Evaluation evaluate(Ctx& c) override {
    const Sequences all(cfg_, 0);
    double sum = 0;
    for (std::int64_t n = held_out_from; n < held_out_from + cfg_.held_out; ++n) {
      Batch b = batch_of({all.read(n, {})}, c.device);
      b.valid = double(cfg_.held_out * cfg_.channels * valid_tokens(cfg_, n));
      sum += loss_without_gradients(model_, c, b);
    }
    Evaluation e;
    e.values = {{"eval_loss", sum}};
    e.sentence = sentence("held-out loss {:.4f}", sum);
    e.table = e.sentence + "\n";
    return e;
  }

 private:
  Model& model_;
  SequenceConfig cfg_;
};

class SequenceData final : public Dataset {
 public:
  explicit SequenceData(const SequenceConfig& cfg) : cfg_(cfg) {}
  std::string text() const override { return "endless sequences"; }
  std::unique_ptr<Samples> samples(std::uint64_t seed, const Model&, const Mesh&) const override {
    return std::make_unique<Sequences>(cfg_, seed);
  }
  std::unique_ptr<Evaluator> evaluator(Model& model) const override {
    return std::make_unique<SequenceEvaluator>(model, cfg_);
  }

 private:
  SequenceConfig cfg_;
};

class SequenceTask final : public Task {
 public:
  static constexpr const char* task_name = "sequences_of_numbers";
  SequenceModelConfig model;
  SequenceConfig data;

  std::string name() const override { return task_name; }
  std::unique_ptr<Task> clone() const override { return std::make_unique<SequenceTask>(*this); }
  void model_fields(Fields& f) override { model.fields(f); }
  void data_fields(Fields& f) override { data.fields(f); }
  void check_values() const override {
    check(model.heads > 0 && model.dim > 0 && model.dim % model.heads == 0, "model.heads={} does not divide {}",
          model.heads, model.dim);
    check(data.tokens > 0 && data.channels > 0 && model.layers > 0, "sequences and models have something in them");
  }
  void reset_model() override { model = {}; }
  const Path& data_path() const override { return data.path; }
  void set_data_path(const Path& path) override { data.path = path; }
  std::int64_t data_threads() const override { return data.threads; }
  bool may_change(const std::string& key) const override { return key == "data.path" || key == "data.threads"; }
  std::vector<std::string> keys_of_scaled_samples(std::int64_t times, std::int64_t parts) const override {
    if (data.tokens * times % parts != 0) return {};
    return {"data.tokens=" + std::to_string(data.tokens * times / parts)};
  }
  Costs costs(std::int64_t samples) const override {
    Costs c{.tokens = samples * data.tokens, .width = model.dim, .blocks = model.layers, .blocks_key = "model.layers"};
    c.sub_layers = {{.key = "model",
                     .kind = SubLayerShape::fast_weights,
                     .heads = model.heads,
                     .head_dim = model.dim / model.heads,
                     .hidden = 2 * model.dim / model.heads,
                     .newton_schulz_steps = 3},
                    {.key = "model", .kind = SubLayerShape::mlp, .hidden = 2 * model.dim}};
    c.forward = SequenceModel::flops(model, data, samples);
    return c;
  }
  Batch blank_batch(Device& d, std::int64_t samples) const override {
    return {{{"vectors", Tensor::empty(d, {samples, data.tokens, data.channels})},
             {"asked", Tensor::empty(d, {samples, data.tokens, 1})}},
            {},
            1};
  }
  Batch noise_batch(Device& d, std::int64_t samples) const override {
    std::vector<Sample> all;
    const Sequences sequences(data, 1);
    for (std::int64_t n = 0; n < samples; ++n) all.push_back(sequences.read(n, {}));
    Batch b = batch_of(all, d);
    b.valid = sequences.valid({0, samples});
    return b;
  }
  std::string memory_of_samples(std::int64_t samples) const override { return sentence("{} sequences", samples); }
  std::unique_ptr<Model> make_model(ParameterStore& store, CpMode mode) const override {
    return std::make_unique<SequenceModel>(store, model, data, mode);
  }
  std::unique_ptr<Dataset> open_data(bool) const override { return std::make_unique<SequenceData>(data); }
};

// ---- the program with this task -------------------------------------------------------------------------------------

constexpr const char* config = R"(task: sequences_of_numbers
train: {steps: 4, batch_size: 24, accumulate: 2, lr: 1.0e-2, constant_lr: true, free_steps: -1, skip_norm: 0, eval_every: 2,
        checkpoint_seconds: 0}
compute: {threads: 1, device: cpu}
)";

class ForeignTask : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string config_ = folder_.write("sequences.yaml", config), run_ = folder_ / "run";

  // This program with these words, on so many ranks; its stdout.
  std::string lact(int ranks, std::vector<std::string> words, int status = 0) const {
    const std::string errors = folder_ / "errors";
    const Finished f = run_ranks(ranks, words, errors);
    EXPECT_EQ(f.status, status) << words[0] << "\n" << f.out << folder_.read("errors");
    return f.out;
  }
  Json json(int ranks, std::vector<std::string> words) const {
    words.emplace_back("--json");
    return Json::parse(lact(ranks, words), words[0]);
  }
};

TEST_F(ForeignTask, IsVerifiedInEveryKindOfLayout) {
  const Json all = json(1, {"verify", "layouts", config_, "ranks=4", "train.lr=1e-3"});
  EXPECT_EQ(all["failed"].integer(), 0) << all.dump();
  std::set<std::int64_t> ranks;
  for (const Json& r : all["layouts"].items()) ranks.insert(r["ranks"].integer());
  EXPECT_EQ(ranks, (std::set<std::int64_t>{1, 2, 3, 4}));
  std::string layouts;
  for (const Json& r : all["layouts"].items()) layouts += r["layout"].text() + "\n";
  for (const std::string axis : {"pp", "dp", "cp", "tp"})
    for (const std::string size : {"=2", "=3", "=4"})
      EXPECT_NE(layouts.find(axis + size), layouts.npos) << axis << size << " of\n" << layouts;
}

TEST_F(ForeignTask, LearnsAndGoesOnUnderAnotherLayout) {
  lact(2, {"train", config_, "run.dir=" + run_, "parallel.cp=2"});
  lact(3, {"train", config_, "run.dir=" + run_, "parallel.tp=1", "parallel.dp=3", "train.steps=40"});
  std::vector<double> losses, evaluated;
  each_row(run_, [&](const Json& row, std::string_view) {
    if (row.has("loss")) losses.push_back(row["loss"].number());
    if (row.has("eval_loss")) evaluated.push_back(row["eval_loss"].number());
  });
  ASSERT_EQ(losses.size(), 40u);
  ASSERT_EQ(evaluated.size(), 20u);
  EXPECT_LT(losses.back(), 0.7 * losses.front());
  EXPECT_LT(evaluated.back(), 0.7 * evaluated.front());
  const Json e = json(1, {"eval", run_});
  EXPECT_NEAR(e["eval_loss"].number(), evaluated.back(), 1e-5 * evaluated.back());
  EXPECT_EQ(json(1, {"inspect", run_})["task"].text(), SequenceTask::task_name);
}

TEST_F(ForeignTask, TheLossIsDividedByTheValidNumbersOfTheWholeStep) {
  lact(1, {"train", config_, "run.dir=" + run_, "train.steps=1"});
  lact(1, {"train", config_, "run.dir=" + run_ + "2", "train.steps=1", "train.accumulate=12"});
  std::vector<double> losses;
  for (const std::string& run : {run_, run_ + "2"})
    each_row(run, [&](const Json& row, std::string_view) {
      if (row.has("loss")) losses.push_back(row["loss"].number());
    });
  ASSERT_EQ(losses.size(), 2u);
  EXPECT_NEAR(losses[0], losses[1], 1e-6 * losses[0]);
}

TEST_F(ForeignTask, IsPlannedProfiledAndBenched) {
  const std::string machine = folder_.write("machine.yaml", R"({name: any, ranks_per_node: 4, memory_gb: 1,
    product_gflops: 1, attention_gflops: 1, memory_gb_per_second: 1, inside: {latency_us: 1, gb_per_second: 1}})");
  const Json plan = json(1, {"plan", config_, "machine=" + machine});
  EXPECT_GT(plan["layouts"].size(), 4);
  const Json profile = json(2, {"profile", config_, "parallel.cp=2", "pairs=1", "alone=1", "traced=1", "product=32",
                                "copied=4096", "out=" + folder_ / "profile"});
  EXPECT_EQ(profile["tokens"].integer(), 24 * 10);
  EXPECT_TRUE(profile["independent"]["seconds"]["median"].number() > 0) << "each rank alone with half of each sequence";
  EXPECT_EQ(json(1, {"bench", "train", config_, "steps=1", "product=32"})["tokens"].integer(), 24 * 10);
}

TEST_F(ForeignTask, WhatItCannotDoIsSaidWithItsName) {
  lact(1, {"train", config_, "run.dir=" + run_, "train.steps=1"});
  lact(1, {"render", run_}, 1);
  EXPECT_NE(folder_.read("errors").find("task=sequences_of_numbers"), std::string::npos);
  lact(1, {"train", config_, "task=nothing"}, 1);
  EXPECT_NE(folder_.read("errors").find("task=nothing: known are language, sequences_of_numbers, view_synthesis"),
            std::string::npos)
      << folder_.read("errors");
}

}  // namespace
}  // namespace lact

int main(int argc, char** argv) {
  lact::add_task(lact::SequenceTask::task_name,
                 []() -> std::unique_ptr<lact::Task> { return std::make_unique<lact::SequenceTask>(); });
  const bool as_test = argc < 2 || std::string_view(argv[1]).starts_with("--gtest");
  if (!as_test) return lact::program(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
