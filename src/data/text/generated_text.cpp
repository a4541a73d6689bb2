#include "data/text/generated_text.hpp"

#include <algorithm>
#include <cmath>
#include <queue>

#include "base/check.hpp"
#include "base/random.hpp"
#include "data/text/permutation.hpp"

namespace lact {
namespace {

constexpr std::int64_t letters = 26, key_letters = 3, value_letters = 2, keys = letters * letters * letters;
constexpr std::int64_t fact_bytes = 1 + key_letters + 1 + value_letters + 2;  // "[kqa=xz] "
constexpr std::int64_t value_at = 1 + key_letters + 1;

std::string spelled(std::int64_t number, std::int64_t length) {
  std::string s;
  for (std::int64_t i = 0; i < length; ++i, number /= letters) s += char('a' + number % letters);
  return s;
}

struct Fact {
  std::string key, value;
  std::string text(char sign) const { return "[" + key + sign + value + "] "; }
};

// The facts of one sample, no key twice.
class Facts {
 public:
  explicit Facts(std::uint64_t key) : values_(random_key(key, "values")), keys_(random_key(key, "keys"), keys) {}
  Fact operator[](std::int64_t i) const {
    const auto value = std::int64_t(uniform(values_, i) * double(letters * letters));
    return {spelled(keys_(i % keys), key_letters), spelled(value, value_letters)};
  }

 private:
  std::uint64_t values_;
  Permutation keys_;
};

// Sentences without end, byte by byte.
class Running {
 public:
  Running(const GeneratedLanguage& language, std::uint64_t key) : language_(language), key_(random_key(key, "text")) {
    word_ = std::int64_t(uniform(key_, drawn_++) * double(language_.words()));
  }
  std::string sentence() {
    std::string s;
    const auto count = 3 + std::int64_t(uniform(key_, drawn_++) * 8);
    for (std::int64_t i = 0; i < count; ++i) {
      s += language_.word(word_) + (i + 1 < count ? " " : ". ");
      word_ = language_.next(word_, uniform(key_, drawn_++));
    }
    return s;
  }
  std::string bytes(std::int64_t count) {  // ends anywhere, with a blank
    std::string s;
    while (std::int64_t(s.size()) < count) s += sentence();
    s.resize(std::size_t(count));
    if (count > 0) s.back() = ' ';
    return s;
  }

 private:
  const GeneratedLanguage& language_;
  std::uint64_t key_;
  std::int64_t word_ = 0, drawn_ = 0;
};

struct Written {
  std::string text;
  std::vector<Answer> answers;
};

// Text of more than `length` bytes in front of which stands one token, and what is asked of its first `length`.
Written with_facts(const GeneratedLanguage& language, std::uint64_t key, std::int64_t per_1024, std::int64_t length) {
  struct Asked {
    std::int64_t due, fact, stated;
    bool operator<(const Asked& o) const { return due > o.due; }  // the earliest first
  };
  Running running(language, key);
  const Facts facts(key);
  const std::uint64_t chance = random_key(key, "distances");
  const std::int64_t count = std::min(keys, (per_1024 * length + 512) / 1024), least = 16;
  std::priority_queue<Asked> asked;
  std::int64_t stated = 0;
  Written w;
  auto write = [&](std::int64_t fact, char sign) {
    const auto at = std::int64_t(w.text.size()) + value_at;
    w.text += facts[fact].text(sign);
    return at;
  };
  while (std::int64_t(w.text.size()) < length) {
    const auto at = std::int64_t(w.text.size());
    if (!asked.empty() && asked.top().due <= at) {
      const Asked a = asked.top();
      asked.pop();
      const std::int64_t value = write(a.fact, '?');
      // The first token stands in front of the text, and a target one before the token that it is.
      if (value + value_letters <= length) w.answers.push_back({{value, value + value_letters}, value - a.stated});
    } else if (stated < count &&
               (double(stated) + uniform(chance, 2 * stated)) / double(count) * 0.75 * double(length) <= double(at)) {
      const double most = double(std::max(least + 1, length - at - 2 * fact_bytes));
      const double distance = double(least) * std::pow(most / double(least), uniform(chance, 2 * stated + 1));
      const std::int64_t value = write(stated, '=');
      asked.push({value - value_at + std::int64_t(distance), stated, value});
      ++stated;
    } else {
      w.text += running.sentence();
    }
  }
  return w;
}

Sample sample_of(const Tokenizer& tokenizer, std::string_view text, std::int64_t context) {
  std::vector<std::int32_t> tokens = tokenizer.encode(text.substr(0, std::size_t(context)));
  tokens.insert(tokens.begin(), tokenizer.bos());
  return text_sample(tokens, std::int64_t(tokens.size()));
}

class GeneratedSamples final : public TextSamples {
 public:
  GeneratedSamples(std::shared_ptr<const GeneratedLanguage> language, const TextConfig& config, std::uint64_t key,
                   std::int64_t count)
      : language_(std::move(language)),
        facts_(config.generated.facts),
        context_(config.context),
        key_(key),
        count_(count) {}
  std::int64_t count() const override { return count_; }
  AnsweredSample answered(std::int64_t number) const {
    check(number >= 0 && (count_ == 0 || number < count_), "generated text: there is no sample {} among {}", number,
          count_);
    Written w = with_facts(*language_, random_key(key_, "sample", number), facts_, context_);
    return {sample_of(ByteTokenizer(), w.text, context_), std::move(w.answers)};
  }
  Sample read(std::int64_t number, const std::stop_token&) const override { return answered(number).sample; }
  double valid(Range numbers) const override { return double(numbers.size() * context_); }
  FileWork reading() const override { return {"making", "generated text"}; }

 private:
  std::shared_ptr<const GeneratedLanguage> language_;
  std::int64_t facts_, context_;
  std::uint64_t key_;
  std::int64_t count_;
};

std::uint64_t held_out_key(const TextConfig& config) {
  return random_key(std::uint64_t(config.generated.seed), "data.generated.held_out");
}

}  // namespace

GeneratedLanguage::GeneratedLanguage(std::uint64_t seed, std::int64_t words) {
  constexpr std::string_view consonants = "bdfgklmnprst", vowels = "aeiou";
  const std::uint64_t key = random_key(seed, "data.generated.language");
  const auto syllables = std::int64_t(consonants.size() * vowels.size());
  // Words of two syllables, the others of three; all differ.
  const std::int64_t short_ones = std::min(words / 2, syllables * syllables / 4);
  const Permutation two(random_key(key, "two"), syllables * syllables),
      three(random_key(key, "three"), syllables * syllables * syllables);
  for (std::int64_t w = 0; w < words; ++w) {
    std::int64_t code = w < short_ones ? two(w) : three(w);
    std::string word;
    for (int i = w < short_ones ? 2 : 3; i > 0; --i, code /= syllables) {
      const auto s = std::size_t(code % syllables);
      word += {consonants[s / vowels.size()], vowels[s % vowels.size()]};
    }
    words_.push_back(std::move(word));
    std::array<std::int64_t, 4>& next = followers_.emplace_back();
    for (std::size_t i = 0; i < next.size(); ++i)
      next[i] = std::int64_t(uniform(random_key(key, "followers", w), std::int64_t(i)) * double(words));
  }
}

std::int64_t GeneratedLanguage::next(std::int64_t w, double drawn) const {
  constexpr double any = 0.1;
  if (drawn < any) return std::int64_t(drawn / any * double(words()));
  const auto part = int((drawn - any) / (1 - any) * 10);  // 0 to 9
  return followers_[std::size_t(w)][part < 4 ? 0 : part < 7 ? 1 : part < 9 ? 2 : 3];
}

GeneratedText::GeneratedText(const TextConfig& config)
    : TextCorpus(std::make_shared<ByteTokenizer>()),
      config_(config),
      language_(std::make_shared<GeneratedLanguage>(std::uint64_t(config.generated.seed), config.generated.words)) {}

std::unique_ptr<TextSamples> GeneratedText::samples(std::uint64_t seed) const {
  const auto key = random_key(seed, "data.generated.training", config_.generated.seed);
  return std::make_unique<GeneratedSamples>(language_, config_, key, 0);
}

std::unique_ptr<TextSamples> GeneratedText::held_out() const {
  return std::make_unique<GeneratedSamples>(language_, config_, held_out_key(config_), config_.generated.held_out);
}

std::string GeneratedText::fingerprint() const {
  return sentence("generated-{}-{}-{}", config_.generated.seed, config_.generated.words, config_.generated.facts);
}

AnsweredSample GeneratedText::held_out_answers(std::int64_t number) const {
  return GeneratedSamples(language_, config_, held_out_key(config_), config_.generated.held_out).answered(number);
}

AnsweredSample GeneratedText::needle(std::int64_t context, std::int64_t distance, std::int64_t number) const {
  // Positions of the text behind the first token; the last target is the value's last letter.
  const std::int64_t asked = context - value_letters, stated = asked - distance;
  check(distance >= fact_bytes && stated >= value_at,
        "a needle in {} tokens of text is asked {} to {} tokens later, not {}", context, fact_bytes, asked - value_at,
        distance);
  const std::uint64_t key = random_key(held_out_key(config_), "needle", number);
  Running running(*language_, key);
  const Fact fact = Facts(key)[0];
  std::string text = running.bytes(stated - value_at) + fact.text('=');
  text += running.bytes(asked - value_at - std::int64_t(text.size()));
  text += fact.text('?');
  AnsweredSample a{sample_of(*tokenizer_, text, context), {{{asked, context}, distance}}};
  auto& targets = std::get<std::vector<std::int32_t>>(a.sample.tensors[1].numbers);
  std::fill(targets.begin(), targets.begin() + asked, -1);
  return a;
}

}  // namespace lact
