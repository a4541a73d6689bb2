// Event files that TensorBoard opens: TFRecord frames around protobuf messages, both encoded here.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/named_values.hpp"
#include "files/whole_file.hpp"

namespace lact {

// CRC-32C (Castagnoli), the checksum of the frames: crc32c("123456789") = 0xe3069283.
std::uint32_t crc32c(std::string_view bytes);

class EventFile {
 public:
  // Starts a new file in `folder`, beside those of earlier starts; readers drop what those say about `first_step` and
  // later.
  EventFile(const std::string& folder, std::int64_t first_step);
  void scalars(std::int64_t step, const NamedValues& values);
  void picture(std::int64_t step, const std::string& tag,
               const std::string& png_path);  // keeps a copy of the file's bytes
  const std::string& path() const { return path_; }

 private:
  void write(std::int64_t step, std::string_view what);  // one event, handed to the system whole
  std::string path_;
  FileWriter file_;
};

}  // namespace lact
