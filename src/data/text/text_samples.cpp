#include "data/text/text_samples.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "base/random.hpp"
#include "data/text/permutation.hpp"

namespace lact {

Sample text_sample(std::span<const std::int32_t> tokens, std::int64_t given) {
  const auto context = std::int64_t(tokens.size()) - 1;
  std::vector<std::int32_t> inputs(tokens.begin(), tokens.end() - 1), targets(tokens.begin() + 1, tokens.end());
  std::fill(targets.begin() + std::min(context, std::max<std::int64_t>(given - 1, 0)), targets.end(), -1);
  Sample s;
  s.tensors.push_back({"tokens", {context}, std::move(inputs)});
  s.tensors.push_back({"targets", {context}, std::move(targets)});
  return s;
}

StoredSamples::StoredSamples(std::shared_ptr<const TokenStore> store, Range part, const TextConfig& config,
                             std::int32_t filling, std::optional<std::uint64_t> seed)
    : store_(std::move(store)), part_(part), context_(config.context), filling_(filling), seed_(seed) {
  if (config.cross_documents) {
    count_ = std::max<std::int64_t>(part.size() - 1, 0) / context_;
    return;
  }
  std::int64_t begin = part.begin;
  for (const std::int64_t end : store_->ends()) {
    const Range inside{begin, std::min(end, part.end)};
    if (end <= part.begin || inside.empty()) continue;
    count_ += (inside.size() - 1 + context_ - 1) / context_;
    ends_.push_back(begin = inside.end);
    last_of_.push_back(count_);
  }
}

Range StoredSamples::tokens_of(std::int64_t number) const {
  check(number >= 0 && count_ > 0 && (seed_ || number < count_), "{}: there is no sample {} among {}", store_->name(),
        number, count_);
  const std::int64_t epoch = number / count_;
  std::int64_t i = number % count_;
  if (seed_) i = Permutation(random_key(*seed_, "data.text", epoch), count_)(i);
  if (last_of_.empty()) {
    const std::int64_t left_over = part_.size() - 1 - count_ * context_;
    const double drawn = seed_ ? uniform(random_key(*seed_, "data.text.first", epoch), 0) : 0;
    const std::int64_t begin = part_.begin + std::int64_t(drawn * double(left_over + 1)) + i * context_;
    return {begin, begin + context_ + 1};
  }
  const auto d = std::size_t(std::ranges::upper_bound(last_of_, i) - last_of_.begin());
  const std::int64_t of_document = i - (d == 0 ? 0 : last_of_[d - 1]);
  const std::int64_t begin = (d == 0 ? part_.begin : ends_[d - 1]) + of_document * context_;
  return {begin, std::min(begin + context_ + 1, ends_[d])};
}

Sample StoredSamples::read(std::int64_t number, const std::stop_token&) const {
  const Range from = tokens_of(number);
  std::vector<std::int32_t> tokens(std::size_t(context_ + 1), filling_);
  store_->read(from, tokens.data());
  return text_sample(tokens, from.size());
}

double StoredSamples::valid(Range numbers) const {
  if (last_of_.empty()) return double(numbers.size() * context_);
  std::int64_t sum = 0;
  for (std::int64_t n = numbers.begin; n < numbers.end; ++n) sum += tokens_of(n).size() - 1;
  return double(sum);
}

}  // namespace lact
