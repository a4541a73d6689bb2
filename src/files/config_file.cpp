#include "files/config_file.hpp"

#include "base/check.hpp"
#include "files/json.hpp"
#include "files/whole_file.hpp"

namespace lact {
namespace {

constexpr std::int64_t most_bytes = 4 << 20;

// JSON in the form that YAML reads too: that knows neither tabs between values nor pairs of surrogates. A text that
// only begins like JSON is a YAML map in braces.
std::string as_yaml(const std::string& text, const std::string& path) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos || text[begin] != '{') return text;
  try {
    return Json::parse(text, path).dump();
  } catch (const Error&) {
    if (path.ends_with(".json")) throw;
    return text;
  }
}

}  // namespace

std::string read_config(const std::string& path) { return as_yaml(read_text(path, most_bytes), path); }

bool read_config_file(const Fields& fields, const std::string& path, const std::string& prefix) {
  return read_config_text(fields, read_config(path), path, prefix);
}

}  // namespace lact
