// Configs in files.
#pragma once
#include "base/config.hpp"

namespace lact {

// The YAML that a YAML or JSON file says.
std::string read_config(const std::string& path);
// Reads a YAML or JSON file into the fields, as read_config_text does.
bool read_config_file(const Fields& fields, const std::string& path, const std::string& prefix = "");

}  // namespace lact
