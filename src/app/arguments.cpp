#include <algorithm>
#include <sstream>

#include "app/commands.hpp"
#include "base/check.hpp"

namespace lact {

Arguments Arguments::split(const std::vector<std::string>& all) {
  Arguments a;
  for (const std::string& word : all) {
    // a path may hold '=' behind a slash; a key never has one
    auto eq = word.find('=');
    bool pair = eq != std::string::npos && word.find('/') > eq;
    (pair ? a.overrides : a.plain).push_back(word);
  }
  return a;
}

std::string Arguments::take(const std::string& key, const std::string& otherwise) {
  std::string value = otherwise;
  std::erase_if(overrides, [&](const std::string& o) {
    const bool found = o.starts_with(key + "=");
    if (found) value = o.substr(key.size() + 1);
    return found;
  });
  return value;
}

namespace {
bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == text.npos;
}
}  // namespace

std::int64_t Arguments::take_number(const std::string& key, const std::string& otherwise) {
  const std::string text = take(key, otherwise);
  check(is_number(text), "{}={} is not a number", key, text);
  return std::stoll(text);
}

std::vector<std::int64_t> numbers_in(const std::string& list) {
  std::vector<std::int64_t> numbers;
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) {
    if (!is_number(word) || std::stoll(word) == 0) return {};
    numbers.push_back(std::stoll(word));
  }
  return numbers;
}

Path Arguments::take_path(const std::string& key, const std::string& otherwise) {
  return at_home(take(key, otherwise), key);
}

}  // namespace lact
