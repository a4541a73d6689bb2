#include "models/language/evaluator.hpp"

#include <bit>
#include <cmath>

#include "models/language/needles.hpp"
#include "parallel/together.hpp"

namespace lact {
namespace {

constexpr std::int64_t tokens_at_once = 8192;

// Sums over samples, some of them on each rank of dp.
struct Sums {
  Sums(std::int64_t context, std::int64_t vocabulary)
      : loss(std::size_t(context), 0), right(loss), count(loss), targets(std::size_t(vocabulary), 0) {}
  std::vector<double> loss, right, count;                                    // by position
  std::vector<double> targets;                                               // by token
  std::vector<double> asked = std::vector<double>(64, 0), recalled = asked;  // facts, by log2 of their distance

  void add(std::span<const float> losses, std::span<const float> hits, const Sample& sample,
           const std::vector<Answer>& answers) {
    const auto& wanted = std::get<std::vector<std::int32_t>>(sample.tensors[1].numbers);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i] < 0) continue;
      loss[i] += losses[i], right[i] += hits[i], count[i] += 1;
      targets[std::size_t(wanted[i])] += 1;
    }
    for (const Answer& a : answers) {
      const auto bin = std::size_t(std::bit_width(std::uint64_t(a.distance))) - 1;
      asked[bin] += 1, recalled[bin] += answered(a, hits);
    }
  }
  void sum_over(Communicator& dp, Device& d) {
    for (std::vector<double>* v : {&loss, &right, &count, &targets, &asked, &recalled}) {
      const Tensor t = Tensor::of(d, {std::int64_t(v->size())}, std::span<const double>(*v), DType::f64);
      dp.all_reduce(t).wait();
      *v = t.to_doubles();
    }
  }
};

double sum_of(const std::vector<double>& v, Range r) {
  double sum = 0;
  for (std::int64_t i = r.begin; i < std::min(r.end, std::int64_t(v.size())); ++i) sum += v[std::size_t(i)];
  return sum;
}
double sum_of(const std::vector<double>& v) { return sum_of(v, {0, std::int64_t(v.size())}); }

// Positions in pieces that double in length towards the end, so that early ones are seen apart.
std::vector<Range> pieces(std::int64_t context) {
  std::vector<Range> all;
  for (std::int64_t begin = 0, end = std::min<std::int64_t>(16, context); begin < context;
       begin = end, end = std::min(2 * end, context))
    all.push_back({begin, end});
  return all;
}

// Of the best fixed distribution over tokens, known only afterwards.
double fixed_guess(const std::vector<double>& targets) {
  const double all = sum_of(targets);
  double loss = 0;
  for (const double n : targets)
    if (n > 0) loss -= n / all * std::log(n / all);
  return loss;
}

NamedValues values_of(const Sums& s) {
  const auto context = std::int64_t(s.count.size());
  const Range last{context - (context + 3) / 4, context};
  const double n = sum_of(s.count), loss = sum_of(s.loss) / n;
  NamedValues values{{"eval_loss", loss}, {"eval_perplexity", std::exp(loss)}, {"eval_accuracy", sum_of(s.right) / n}};
  if (sum_of(s.count, last) > 0)
    values.emplace_back("eval_loss_of_last_quarter", sum_of(s.loss, last) / sum_of(s.count, last));
  if (sum_of(s.asked) > 0) values.emplace_back("eval_recall", sum_of(s.recalled) / sum_of(s.asked));
  return values;
}

std::string table_of(const Sums& s) {
  std::string table = fill("{:<16} {:>10} {:>10} {:>10}\n", {"positions", "loss", "accuracy", "targets"});
  auto row = [&](const std::string& name, Range r) {
    const double n = sum_of(s.count, r);
    if (n > 0)
      table += fill("{:<16} {:>10.4f} {:>10.4f} {:>10.0f}\n", {name, sum_of(s.loss, r) / n, sum_of(s.right, r) / n, n});
  };
  for (const Range& r : pieces(std::int64_t(s.count.size()))) row(fill("{}-{}", {r.begin, r.end - 1}), r);
  row("all", {0, std::int64_t(s.count.size())});
  for (std::size_t bin = 0; bin < s.asked.size(); ++bin)
    if (s.asked[bin] > 0)
      table += fill(
          "recalled of {:.0f} facts stated {} to {} tokens before: {:.1f} %\n",
          {s.asked[bin], std::int64_t(1) << bin, (std::int64_t(2) << bin) - 1, 100 * s.recalled[bin] / s.asked[bin]});
  return table;
}

Json details_of(const Sums& s) {
  Json positions = Json::array(), recall = Json::array();
  for (const Range& r : pieces(std::int64_t(s.count.size())))
    if (sum_of(s.count, r) > 0)
      positions.push(Json::object({{"begin", r.begin},
                                   {"end", r.end},
                                   {"loss", sum_of(s.loss, r) / sum_of(s.count, r)},
                                   {"accuracy", sum_of(s.right, r) / sum_of(s.count, r)}}));
  for (std::size_t bin = 0; bin < s.asked.size(); ++bin)
    if (s.asked[bin] > 0)
      recall.push(Json::object({{"distance", std::int64_t(1) << bin},
                                {"asked", s.asked[bin]},
                                {"recalled", s.recalled[bin] / s.asked[bin]}}));
  return Json::object({{"positions", positions}, {"recall", recall}});
}

std::vector<Chart> charts_of(const Sums& s) {
  Chart loss{"loss by position", {"tokens read", true}, {"loss, nats"}, {{"loss", {}, {}}}};
  for (const Range& r : pieces(std::int64_t(s.count.size())))
    if (sum_of(s.count, r) > 0) {
      loss.curves[0].x.push_back(double(r.end));
      loss.curves[0].y.push_back(sum_of(s.loss, r) / sum_of(s.count, r));
    }
  Chart recall{"recall by distance",
               {"tokens since the fact was stated, from here to twice as many", true},
               {"facts recalled, %", false, true},
               {{"recalled", {}, {}}}};
  for (std::size_t bin = 0; bin < s.asked.size(); ++bin)
    if (s.asked[bin] > 0) {
      recall.curves[0].x.push_back(double(std::int64_t(1) << bin));
      recall.curves[0].y.push_back(100 * s.recalled[bin] / s.asked[bin]);
    }
  std::vector<Chart> charts{loss};
  if (!recall.curves[0].x.empty()) charts.push_back(recall);
  return charts;
}

// Adds what was found of needles to all that an evaluation says.
void add_needles(Evaluation& e, const std::vector<NeedleScore>& scores) {
  Json all = Json::array();
  Chart chart{
      "needles by distance", {"tokens from the fact to its question", true}, {"needles found, %", false, true}, {}};
  double asked = 0, found = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const NeedleScore& s = scores[i];
    const bool first = i == 0 || scores[i - 1].length != s.length,
               last = i + 1 == scores.size() || scores[i + 1].length != s.length;
    if (first) asked = found = 0, chart.curves.push_back({fill("in {} tokens", {s.length}), {}, {}});
    asked += s.asked, found += s.found;
    chart.curves.back().x.push_back(double(s.distance)), chart.curves.back().y.push_back(100 * s.found / s.asked);
    all.push(Json::object(
        {{"length", s.length}, {"distance", s.distance}, {"asked", s.asked}, {"found", s.found / s.asked}}));
    e.table += fill("found of {:.0f} needles in {} tokens, {} before they were asked for: {:.1f} %\n",
                    {s.asked, s.length, s.distance, 100 * s.found / s.asked});
    if (last) e.values.emplace_back(fill("eval_needles_in_{}", {s.length}), found / asked);
  }
  e.details.set("needles", all);
  e.charts.push_back(chart);
}

}  // namespace

TextEvaluator::TextEvaluator(LanguageModel& model, const TextCorpus& corpus, std::int64_t samples, std::int64_t context,
                             std::vector<std::int64_t> needle)
    : model_(model),
      held_out_(corpus.held_out()),
      generated_(dynamic_cast<const GeneratedText*>(&corpus)),
      context_(context),
      needle_(std::move(needle)) {
  const std::int64_t all = held_out_ ? held_out_->count() : 0, wanted = samples == 0 ? all : std::min(samples, all);
  for (std::int64_t i = 0; i < wanted; ++i) numbers_.push_back(i * all / wanted);
}

AnsweredSample TextEvaluator::read(std::int64_t number) const {
  if (generated_ != nullptr) return generated_->held_out_answers(number);
  return {held_out_->read(number, {}), {}};
}

// A rank that cannot read its samples ends the evaluation of all. Collective, also for ranks without samples.
std::vector<AnsweredSample> TextEvaluator::read_together(Range places, Communicator& world) const {
  std::vector<AnsweredSample> group;
  try {
    together(world, [&] {
      for (std::int64_t i = places.begin; i < places.end; ++i) group.push_back(read(numbers_[std::size_t(i)]));
    });
  } catch (const Error& e) {
    throw Unreadable(e.what(), e.where());
  }
  return group;
}

Evaluation TextEvaluator::evaluate(Ctx& c) {
  Evaluation e;
  e.why_empty = "no held-out sample has a token to predict";
  Communicator& dp = c.mesh.along(Axis::dp);
  Sums sums(context_, model_.config().vocab_size);
  const auto all = std::int64_t(numbers_.size());
  const Range mine = even_part(all, dp.rank(), dp.size());
  const std::int64_t at_once = std::max<std::int64_t>(1, tokens_at_once / context_),
                     most = (all + dp.size() - 1) / dp.size();
  for (std::int64_t done = 0; done < most; done += at_once) {
    const std::int64_t begin = std::min(mine.begin + done, mine.end), end = std::min(begin + at_once, mine.end);
    const std::vector<AnsweredSample> group = read_together({begin, end}, c.mesh.world());
    if (group.empty()) continue;
    std::vector<Sample> samples;
    for (const AnsweredSample& s : group) samples.push_back(s.sample);
    const LanguageModel::Judged judged = model_.judge(c, batch_of(samples, c.device));
    const std::vector<float> loss = judged.loss.to_floats(), right = judged.right.to_floats();
    const auto n = std::size_t(context_);
    for (std::size_t i = 0; i < group.size(); ++i)
      sums.add(std::span(loss).subspan(i * n, n), std::span(right).subspan(i * n, n), group[i].sample,
               group[i].answers);
  }
  sums.sum_over(dp, c.device);
  if (sum_of(sums.count) == 0) return e;
  e.values = values_of(sums);
  const double loss = e.values[0].second, guess = fixed_guess(sums.targets);
  e.sentence =
      sentence("held-out loss {:.4f} (perplexity {:.4g}; best fixed guess {:.4f})", loss, std::exp(loss), guess);
  if (e.values.back().first == "eval_recall")
    e.sentence += sentence(", {:.1f} % of facts recalled", 100 * e.values.back().second);
  e.table = table_of(sums);
  e.details = details_of(sums);
  e.charts = charts_of(sums);
  e.comparison = {sentence("loss {:.4f}  perplexity {:.4g}", loss, std::exp(loss)), guess - loss, "nats",
                  sentence("the held-out loss is {:.3f} nats below the best fixed guess", guess - loss)};
  if (!needle_.empty() && generated_ != nullptr) add_needles(e, needle_scores(model_, c, *generated_, needle_, all));
  return e;
}

}  // namespace lact
