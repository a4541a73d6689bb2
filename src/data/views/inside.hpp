// Paths that the files of a dataset name. They stay in the folder of the file that names them: a dataset of others may
// not have files read that it does not hold.
#pragma once
#include <string>

#include "files/whole_file.hpp"

namespace lact {

class Json;
// The path that `named` means, relative to the folder of the file `list` or absolute; an error where it leaves that
// folder.
std::string path_inside(const Json& named, const std::string& list);

// A folder of a dataset, which may be a link itself. A link in it that leads out of it is an error, unless links may.
class DatasetFolder {
 public:
  DatasetFolder(const std::string& path, bool follow_links);
  const std::string& path() const { return path_; }
  void check_inside(const FileReader& opened) const;

 private:
  std::string path_, real_path_;  // empty where links may lead anywhere
};

}  // namespace lact
