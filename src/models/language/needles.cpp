#include "models/language/needles.hpp"

#include <algorithm>

namespace lact {
namespace {

constexpr std::int64_t least_distance = 16, around_values = 7;  // tokens before the first value and of the last

// Of this rank's share of the texts of one length; score of each distance.
void score_length(LanguageModel& model, Ctx& c, const GeneratedText& text, std::int64_t texts,
                  std::span<NeedleScore> scores) {
  constexpr std::int64_t tokens_at_once = 8192;
  const std::int64_t length = scores[0].length, at_once = std::max<std::int64_t>(1, tokens_at_once / length);
  Communicator& dp = c.mesh.along(Axis::dp);
  const Range mine = even_part(std::int64_t(scores.size()) * texts, dp.rank(), dp.size());
  for (std::int64_t begin = mine.begin; begin < mine.end; begin += at_once) {
    const std::int64_t end = std::min(begin + at_once, mine.end);
    std::vector<AnsweredSample> group;
    std::vector<Sample> samples;
    for (std::int64_t i = begin; i < end; ++i) {
      group.push_back(text.needle(length, scores[std::size_t(i / texts)].distance, i % texts));
      samples.push_back(group.back().sample);
    }
    const std::vector<float> right = model.judge(c, batch_of(samples, c.device)).right.to_floats();
    for (std::int64_t i = begin; i < end; ++i) {
      NeedleScore& score = scores[std::size_t(i / texts)];
      const auto at = std::size_t(i - begin), n = std::size_t(length);
      score.asked += 1, score.found += answered(group[at].answers[0], std::span(right).subspan(at * n, n));
    }
  }
}

}  // namespace

bool answered(const Answer& answer, std::span<const float> right) {
  const auto hits = right.subspan(std::size_t(answer.targets.begin), std::size_t(answer.targets.size()));
  return std::ranges::all_of(hits, [](float hit) { return hit == 1; });
}

std::vector<std::int64_t> needle_distances(std::int64_t length) {
  std::vector<std::int64_t> distances;
  for (std::int64_t d = length - around_values; d >= least_distance; d /= 4) distances.push_back(d);
  std::ranges::reverse(distances);
  return distances;
}

std::vector<NeedleScore> needle_scores(LanguageModel& model, Ctx& c, const GeneratedText& text,
                                       const std::vector<std::int64_t>& lengths, std::int64_t texts) {
  std::vector<NeedleScore> all;
  for (const std::int64_t length : lengths) {
    const std::size_t begin = all.size();
    for (const std::int64_t distance : needle_distances(length)) all.push_back({length, distance});
    score_length(model, c, text, texts, std::span(all).subspan(begin));
  }
  std::vector<double> numbers;
  for (const NeedleScore& s : all) numbers.insert(numbers.end(), {s.asked, s.found});
  if (numbers.empty()) return all;
  const Tensor sums =
      Tensor::of(c.device, {std::int64_t(numbers.size())}, std::span<const double>(numbers), DType::f64);
  c.mesh.along(Axis::dp).all_reduce(sums).wait();
  numbers = sums.to_doubles();
  for (std::size_t i = 0; i < all.size(); ++i) all[i].asked = numbers[2 * i], all[i].found = numbers[2 * i + 1];
  return all;
}

}  // namespace lact
