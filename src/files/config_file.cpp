#include "files/config_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cstdio>

#include "base/check.hpp"
#include "files/json.hpp"

namespace lact {
namespace {

std::string read_all(const std::string& path) {
  const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not block the open
  check(opened >= 0, "{}: cannot be read (no such config file?)", path);
  std::FILE* f = ::fdopen(opened, "rb");
  struct stat kind {};
  if (::fstat(opened, &kind) != 0 || !S_ISREG(kind.st_mode)) {
    std::fclose(f);
    fail("{}: is not a file", path);
  }
  std::string text;
  std::array<char, 65536> block;
  constexpr std::size_t most_bytes = 4 << 20;
  for (std::size_t n = 1; n > 0 && text.size() <= most_bytes;) {
    n = std::fread(block.data(), 1, block.size(), f);
    text.append(block.data(), n);
  }
  const bool ok = std::ferror(f) == 0;
  std::fclose(f);
  check(ok, "{}: cannot be read", path);
  check(text.size() <= most_bytes, "{}: more than {} bytes are too many for a config", path, most_bytes);
  return text;
}

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

bool read_config_file(const Fields& fields, const std::string& path, const std::string& prefix) {
  return read_config_text(fields, as_yaml(read_all(path), path), path, prefix);
}

}  // namespace lact
