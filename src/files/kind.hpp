// What a file is by its first bytes, whatever its name says.
#pragma once
#include <cstdint>
#include <string>

namespace lact {

struct FileKind {
  enum Kind : std::uint8_t { unknown, safetensors, hdf5, other } kind = unknown;
  std::string words;  // go on after "FILE: ", such as "is a PNG picture"; empty where nothing is known, as of text
};
FileKind kind_of(const std::string& path);  // an error where it is no file that can be read

}  // namespace lact
