#include "base/path.hpp"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/check.hpp"

namespace lact {

std::string Path::place() const {
  if (empty()) return {};
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);  // "" where it was removed meanwhile
  std::string place = (here / std::string(*this)).lexically_normal().string();
  while (place.size() > 1 && place.back() == '/') place.pop_back();
  return place;
}

Path at_home(const std::string& text, const std::string& key) {
  if (!text.starts_with('~')) return text;
  const std::string user = text.substr(1, text.find('/') - 1);
  const char* variable = std::getenv("HOME");
  std::string home = user.empty() && variable != nullptr ? variable : "";
  if (home.empty()) {
    const passwd* entry = user.empty() ? ::getpwuid(::getuid()) : ::getpwnam(user.c_str());
    if (entry != nullptr && entry->pw_dir != nullptr) home = entry->pw_dir;
  }
  check(!home.empty(), "{}={}: no home directory of {} is known; ./{} is the folder of that name", key, text,
        user.empty() ? "this user" : user, text);
  return home + text.substr(1 + user.size());
}

}  // namespace lact
