// How a language model is judged, and what a run remembers of its text.
#include "models/language/evaluator.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "models/language/dataset.hpp"
#include "models/language/needles.hpp"
#include "models/language/task.hpp"
#include "ops/pairs.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

LanguageTask small() {
  LanguageTask task;
  task.model.hidden_size = 16, task.model.num_hidden_layers = 1, task.model.intermediate_size = 16;
  task.model.lact.num_attn_heads = 2, task.model.lact.num_lact_heads = 2;
  task.model.lact.lact_chunk_size = 32, task.model.lact.window_size = 16;
  task.data.context = 300, task.data.threads = 0, task.eval_samples = 3;
  task.data.generated.held_out = 5;
  return task;
}

Evaluation judged(const LanguageTask& task) {
  const auto data = task.open_data(true);
  ParameterStore store;
  Mesh mesh = Mesh::alone();
  const auto model = task.make_model(store, CpMode::tokens);
  store.lay_out(tested(), mesh, 1);
  Ctx c{nullptr, tested(), mesh};
  return data->evaluator(*model)->evaluate(c);
}

double value_of(const Evaluation& e, const std::string& name) {
  for (const auto& [key, value] : e.values)
    if (key == name) return value;
  ADD_FAILURE() << "no " << name;
  return std::nan("");
}

TEST(TextEvaluation, SaysLossByPositionAndRecallByDistance) {
  const Evaluation e = judged(small());
  const double loss = value_of(e, "eval_loss");
  EXPECT_NEAR(loss, std::log(258), 0.5);  // it has learned nothing
  EXPECT_DOUBLE_EQ(value_of(e, "eval_perplexity"), std::exp(loss));
  EXPECT_GE(value_of(e, "eval_recall"), 0);
  EXPECT_LE(value_of(e, "eval_recall"), 1);
  // the mean over positions, each counted by its targets, is the whole
  double sum = 0;
  std::int64_t end = 0;
  for (const Json& p : e.details["positions"].items()) {
    EXPECT_EQ(p["begin"].integer(), end);
    end = p["end"].integer();
    sum += p["loss"].number() * double(end - p["begin"].integer());
  }
  EXPECT_EQ(end, 300);
  EXPECT_NEAR(sum / 300, loss, 1e-9 * loss);  // every token of generated text has a target
  double asked = 0;
  for (const Json& r : e.details["recall"].items()) asked += r["asked"].number();
  EXPECT_GT(asked, 0);
  EXPECT_LT(e.comparison->above_baseline, 0) << "it is worse than the best fixed guess";
}

TEST(TextEvaluation, OfSeveralSamplesAtOnceIsThatOfEach) {
  const LanguageTask task = small();
  const auto data = task.open_data(true);
  const auto held_out = dynamic_cast<const TextDataset&>(*data).corpus().held_out();
  ParameterStore store;
  Mesh mesh = Mesh::alone();
  const auto made = task.make_model(store, CpMode::tokens);
  auto& model = dynamic_cast<LanguageModel&>(*made);
  store.lay_out(tested(), mesh, 1);
  Ctx c{nullptr, tested(), mesh};
  double sum = 0, right = 0;
  for (const std::int64_t number : {0, 1, 3}) {  // 3 of 5, evenly spread
    const LanguageModel::Judged j = model.judge(c, batch_of({held_out->read(number, {})}, tested()));
    for (const double x : j.loss.to_doubles()) sum += x;
    for (const double x : j.right.to_doubles()) right += x;
  }
  const Evaluation e = data->evaluator(model)->evaluate(c);
  EXPECT_NEAR(value_of(e, "eval_loss"), sum / 900, 1e-6 * sum / 900);
  EXPECT_DOUBLE_EQ(value_of(e, "eval_accuracy"), right / 900);
}

TEST(TextEvaluation, CurvesSayWhatTheTableSays) {
  const Evaluation e = judged(small());
  ASSERT_EQ(e.charts.size(), 2u);
  const std::vector<Json> positions = e.details["positions"].items(), recall = e.details["recall"].items();
  const Curve &loss = e.charts[0].curves.at(0), &recalled = e.charts[1].curves.at(0);
  ASSERT_EQ(loss.x.size(), positions.size());
  for (std::size_t i = 0; i < positions.size(); ++i) {
    EXPECT_EQ(loss.x[i], double(positions[i]["end"].integer()));
    EXPECT_EQ(loss.y[i], positions[i]["loss"].number());
  }
  ASSERT_EQ(recalled.x.size(), recall.size());
  for (std::size_t i = 0; i < recall.size(); ++i) EXPECT_DOUBLE_EQ(recalled.y[i], 100 * recall[i]["recalled"].number());
}

TEST(TextEvaluation, NeedlesAreAskedAtEveryDistanceAlsoBeyondTheContext) {
  LanguageTask task = small();
  task.needle = {33, 601};  // trained with 300
  const Evaluation e = judged(task);
  std::vector<std::pair<std::int64_t, std::int64_t>> places;
  for (const Json& n : e.details["needles"].items()) {
    places.emplace_back(n["length"].integer(), n["distance"].integer());
    EXPECT_EQ(n["asked"].number(), 3);
    EXPECT_GE(n["found"].number(), 0);
    EXPECT_LE(n["found"].number(), 1);
  }
  EXPECT_EQ(places, (std::vector<std::pair<std::int64_t, std::int64_t>>{{33, 26}, {601, 37}, {601, 148}, {601, 594}}));
  EXPECT_EQ(e.charts.back().curves.size(), 2u);
  EXPECT_GE(value_of(e, "eval_needles_in_601"), 0);
  // what else is judged stays the same
  EXPECT_DOUBLE_EQ(value_of(e, "eval_loss"), value_of(judged(small()), "eval_loss"));
}

TEST(Needles, AreFoundWhereAllOfTheValueIsRight) {
  const Answer last{{2, 4}, 2};
  for (const std::vector<float>& right : {std::vector<float>{0, 0, 1, 1}, {1, 1, 1, 1}})
    EXPECT_TRUE(answered(last, right));
  for (const std::vector<float>& right : {std::vector<float>{1, 1, 0, 1}, {1, 1, 1, 0}, {0, 0, 0, 0}})
    EXPECT_FALSE(answered(last, right));
}

TEST(TextEvaluation, NeedlesNeedGeneratedTextAndRoom) {
  LanguageTask task = small();
  task.needle = {31};
  EXPECT_NE(sentence_of([&] { task.check_values(); }).find("31 tokens"), std::string::npos);
  task.needle = {1024}, task.data.path = "book.txt";
  EXPECT_NE(sentence_of([&] { task.check_values(); }).find("data.path=book.txt"), std::string::npos);
}

TEST(StateOfALayer, IsOfTheSizeOfWhatItCarries) {
  LanguageTask task = small();
  // keys and values of 16 tokens of width 16, and three matrices of each of two heads, with as many of momentum
  EXPECT_EQ(task.costs(1).state, 2 * 16 * 16 + 2 * 2 * 3 * 8 * 8);
  task.model.lact.use_momentum = false;
  EXPECT_EQ(task.costs(1).state, 2 * 16 * 16 + 2 * 3 * 8 * 8);
  EXPECT_EQ(task.costs(5).state, task.costs(1).state) << "of one sample";
  task.model.model_type = "transformer", task.model.lact.window_size = 0;
  EXPECT_EQ(task.costs(1).state, 2 * 300 * 16);
  EXPECT_NEAR(task.costs(1).flops_of_token(), task.costs(4).flops_of_token(), 1e-6 * task.costs(1).flops_of_token());
}

TEST(TextEvaluation, NothingHeldOutIsSaidWithItsMend) {
  LanguageTask task = small();
  task.data.generated.held_out = 0;
  const auto data = task.open_data(true);
  ParameterStore store;
  const auto model = task.make_model(store, CpMode::tokens);
  const auto evaluator = data->evaluator(*model);
  EXPECT_NE(evaluator->why_none(), "");
  EXPECT_EQ(evaluator->mend(), "set data.generated.held_out");
}

TEST(TextOfARun, IsKnownAgain) {
  TemporaryFolder folder;
  const LanguageTask task = small();
  const auto data = task.open_data(true);
  data->write_record(folder.path(), false);
  data->check_same(folder.path(), {}, true);
  LanguageTask other = small();
  other.data.generated.seed = 1;
  const std::string refusal = sentence_of([&] { other.open_data(true)->check_same(folder.path(), {}, true); });
  EXPECT_NE(refusal.find("other text"), std::string::npos) << refusal;
  other.open_data(true)->check_same(folder.path(), {}, false);  // nothing was learned yet
  // a run that has steps keeps the record of what it began with
  other.open_data(true)->write_record(folder.path(), true);
  data->check_same(folder.path(), {}, true);
}

TEST(TextOfARun, MustFitTheVocabulary) {
  LanguageTask task = small();
  task.model.vocab_size = 100;
  EXPECT_NE(sentence_of([&] { task.open_data(true); }).find("model.vocab_size=100"), std::string::npos);
}

}  // namespace
}  // namespace lact
