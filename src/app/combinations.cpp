#include "app/combinations.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "base/check.hpp"

namespace lact {
namespace {

constexpr std::size_t most_combinations = 10000, longest_value = 60;

// As part of a file's name.
std::string as_name(const std::string& value) {
  std::string name = value.substr(0, longest_value);
  for (char& c : name)
    if (std::string_view("/\\ \t\n'\"`$&|;<>()[]{}*?!#~=,").find(c) != std::string_view::npos) c = '-';
  return name;
}

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

}  // namespace

bool SweptKey::numeric() const {
  return std::ranges::all_of(values, [](const std::string& v) {
    std::istringstream text(v);
    double number = 0;
    return text >> number && text.eof() && std::isfinite(number);
  });
}

std::vector<std::string> values_in(const std::string& text) {
  std::vector<std::string> values(1);
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size() && text[i + 1] == ',') {
      values.back() += text[++i];
      continue;
    }
    depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    if (c == ',' && depth == 0)
      values.emplace_back();
    else
      values.back() += c;
  }
  return values;
}

std::vector<SweptKey> taken_keys(std::vector<std::string>& pairs) {
  std::vector<SweptKey> keys;
  std::vector<std::string> fixed;
  for (const std::string& pair : pairs) {
    const std::string key = pair.substr(0, pair.find('='));
    std::vector<std::string> values = values_in(pair.substr(key.size() + 1));
    std::erase_if(keys, [&](const SweptKey& k) { return k.key == key; });
    std::erase_if(fixed, [&](const std::string& f) { return f.starts_with(key + "="); });
    if (values.size() == 1)
      fixed.push_back(key + "=" + values[0]);
    else
      keys.push_back({key, std::move(values)});
  }
  pairs = std::move(fixed);
  return keys;
}

std::string short_name(const std::vector<SweptKey>& keys, std::size_t key) {
  const std::string name = last_part(keys[key].key);
  const auto same = std::ranges::count_if(keys, [&](const SweptKey& k) { return last_part(k.key) == name; });
  return same == 1 ? name : keys[key].key;
}

std::vector<Combination> combinations_of(const std::vector<SweptKey>& keys) {
  std::vector<Combination> all(1);
  for (std::size_t k = 0; k < keys.size(); ++k) {
    check(all.size() * keys[k].values.size() <= most_combinations, "more than {} combinations", most_combinations);
    std::vector<Combination> more;
    for (const Combination& c : all)
      for (const std::string& value : keys[k].values) {
        more.push_back(c);
        more.back().values.push_back(value);
        more.back().name += (k == 0 ? "" : "_") + short_name(keys, k) + "=" + as_name(value);
      }
    all = std::move(more);
  }
  std::set<std::string> names;
  for (const Combination& c : all)
    check(names.insert(c.name).second && c.name.size() < 250, "two combinations, or a name too long, for the folder {}",
          c.name);
  return all;
}

}  // namespace lact
