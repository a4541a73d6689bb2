#include "files/kind.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "files/whole_file.hpp"

namespace lact {
namespace {

using namespace std::string_view_literals;

constexpr std::array marks = {std::pair("\x89PNG\r\n\x1a\n"sv, "is a PNG picture"),
                              std::pair("\xff\xd8\xff"sv, "is a JPEG picture"),
                              std::pair("GIF8"sv, "is a GIF picture"),
                              std::pair("II*\0"sv, "is a TIFF picture"),
                              std::pair("MM\0*"sv, "is a TIFF picture"),
                              std::pair("\x93NUMPY"sv, "is an array of NumPy"),
                              std::pair("GGUF"sv, "is a GGUF file"),
                              std::pair("\x1f\x8b"sv, "is compressed by gzip"),
                              std::pair("BZh"sv, "is compressed by bzip2"),
                              std::pair("\xfd\x37zXZ"sv, "is compressed by xz"),
                              std::pair("\x28\xb5\x2f\xfd"sv, "is compressed by zstd"),
                              std::pair("\x7f"
                                        "ELF"sv,
                                        "is a program"),
                              std::pair("%PDF"sv, "is a PDF document")};

bool is_safetensors(std::string_view head, std::int64_t size) {  // the length of a JSON object, and the object
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0 && head.size() > 8;) length = length << 8 | std::uint8_t(head[i]);
  return length >= 2 && std::int64_t(length) <= size - 8 && head[8] == '{';
}

bool is_hdf5(const FileReader& file) {  // the mark may stand behind a block of the user
  constexpr std::string_view mark = "\x89HDF\r\n\x1a\n";
  std::string found(mark.size(), '\0');
  for (std::int64_t at = 0; at < file.size() && at <= 1 << 20; at = at == 0 ? 512 : 2 * at)
    if (file.read(found.data(), std::int64_t(found.size()), at) == std::int64_t(mark.size()) && found == mark)
      return true;
  return false;
}

std::string archive_words(std::string_view head) {  // of a zip archive, by its first file
  const std::string_view names = head.substr(0, 256);
  for (std::string_view of_torch : {"/data.pkl"sv, "/.format_version"sv, "/byteorder"sv, "/version"sv})
    if (names.find(of_torch) != names.npos)
      return "is a file of torch.save; tools/pt_to_safetensors.py makes safetensors of it";
  return names.find(".npy") != names.npos ? "is an archive of NumPy" : "is a zip archive";
}

}  // namespace

FileKind kind_of(const std::string& path) {
  const FileReader file(path);
  std::string head(512, '\0');
  head.resize(std::size_t(file.read(head.data(), std::int64_t(head.size()), 0)));
  if (is_hdf5(file)) return {FileKind::hdf5, "is an HDF5 file"};
  if (is_safetensors(head, file.size())) return {FileKind::safetensors, "is a safetensors file"};
  for (const auto& [mark, words] : marks)
    if (head.starts_with(mark)) return {FileKind::other, words};
  if (head.starts_with("PK\3\4")) return {FileKind::other, archive_words(head)};
  if (head.size() > 1 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5)
    return {FileKind::other,
            "is a pickle of Python, as old versions of torch.save wrote it; save it with a newer one, then "
            "tools/pt_to_safetensors.py makes safetensors of it"};
  return {};
}

}  // namespace lact
