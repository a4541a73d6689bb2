#include "data/views/inside.hpp"

#include <filesystem>

#include "base/check.hpp"
#include "files/json.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

bool leaves(const fs::path& relative) {
  return relative.empty() || relative.is_absolute() || *relative.begin() == "..";
}

// Of an absolute path, or one with "..", as seen from the folder; empty or with ".." in front where it lies elsewhere.
fs::path as_seen_from(const fs::path& folder, const fs::path& named) {
  const fs::path base = fs::absolute(folder.empty() ? "." : folder).lexically_normal();
  const fs::path target = (base / named).lexically_normal();  // an absolute one stays itself
  const fs::path relative = target.lexically_relative(base);
  if (!leaves(relative)) return relative;
  std::error_code e;  // a folder may have several names
  return fs::weakly_canonical(target, e).lexically_relative(fs::weakly_canonical(base, e));
}

}  // namespace

std::string path_inside(const Json& named, const std::string& list) {
  const std::string text = named.text();
  if (text.empty() || text.find('\0') != text.npos) fail("{} is not a path", named.where());
  const fs::path folder = fs::path(list).parent_path();
  fs::path inside = fs::path(text).lexically_normal();
  if (leaves(inside)) inside = as_seen_from(folder, text);
  if (leaves(inside))
    fail("{} is '{}', which leaves the dataset folder; paths are relative to {}", named.where(), text, list);
  return (folder / inside).string();
}

DatasetFolder::DatasetFolder(const std::string& path, bool follow_links) : path_(path.empty() ? "." : path) {
  std::error_code e;
  if (!follow_links) real_path_ = fs::canonical(path_, e).string();
  check(!e, "{}: cannot be read ({})", path_, e.message());
}

void DatasetFolder::check_inside(const FileReader& opened) const {
  if (real_path_.empty()) return;
  const std::string real = opened.real_path(), below = real_path_ == "/" ? real_path_ : real_path_ + "/";
  if (!real.starts_with(below))
    fail(
        "{}: leads out of the scene's folder through a link, to {}; data.follow_links=true (lact inspect "
        "--follow-links) allows it",
        opened.path(), real);
}

}  // namespace lact
