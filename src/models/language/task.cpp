#include "models/language/task.hpp"

#include <cmath>

#include "base/random.hpp"
#include "models/language/dataset.hpp"
#include "models/language/needles.hpp"

namespace lact {

void LanguageTask::data_fields(Fields& f) {
  data.fields(f);
  f("eval_samples", eval_samples, "held-out samples that an evaluation reads, evenly spread; 0: all of them");
  f("needle", needle,
    "lengths of generated texts in which an evaluation hides one fact each and asks for it at the end");
}

void LanguageTask::check_values() const {
  check_text(data);
  check(eval_samples >= 0, "data.eval_samples={} is negative", eval_samples);
  for (const std::int64_t length : needle)
    check(length >= least_needle_text, "data.needle: a text of {} tokens is shorter than {}", length,
          least_needle_text);
  check(needle.empty() || data.path.empty(),
        "data.needle hides facts in generated text, and data.path={} is other text", std::string(data.path));
  model.check_values();
}

bool LanguageTask::may_change(const std::string& key) const {
  return key == "data.path" || key == "data.threads" || key == "data.eval_samples" || key == "data.needle";
}

std::vector<std::string> LanguageTask::keys_of_scaled_samples(std::int64_t times, std::int64_t parts) const {
  if (data.context * times % parts != 0) return {};
  return {"data.context=" + std::to_string(data.context * times / parts)};
}

Batch LanguageTask::blank_batch(Device& d, std::int64_t samples) const {
  Batch b;
  for (const char* name : {"tokens", "targets"})
    b.tensors[name] = Tensor::empty(d, {samples, data.context}, DType::i32);
  b.valid = 1;
  return b;
}

Batch LanguageTask::noise_batch(Device& d, std::int64_t samples) const {
  Batch b;
  const std::uint64_t key = random_key(1, "tokens");
  std::vector<std::int32_t> numbers(std::size_t(samples * data.context) + 1);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = std::int32_t(uniform(key, std::int64_t(i)) * double(model.vocab_size));
  const std::span<const std::int32_t> all(numbers);
  b.tensors["tokens"] = Tensor::of(d, {samples, data.context}, all.first(all.size() - 1));
  b.tensors["targets"] = Tensor::of(d, {samples, data.context}, all.last(all.size() - 1));
  b.valid = double(samples * data.context);
  return b;
}

std::string LanguageTask::memory_of_samples(std::int64_t samples) const {
  return sentence("{:.3g} GB of tokens", double(samples * data.context) * 8e-9);
}

std::unique_ptr<Model> LanguageTask::make_model(ParameterStore& store, CpMode mode) const {
  return std::make_unique<LanguageModel>(store, model, mode);
}

std::unique_ptr<Dataset> LanguageTask::open_data(bool) const {
  return std::make_unique<TextDataset>(data, model.vocab_size, eval_samples, needle);
}

NamedValues LanguageTask::values_of_loss(double loss) const { return {{"perplexity", std::exp(loss)}}; }

std::string LanguageTask::text_of_loss(double loss) const { return sentence("perplexity {:.4g}", std::exp(loss)); }

}  // namespace lact
