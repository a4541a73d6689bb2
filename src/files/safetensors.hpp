// The safetensors format (github.com/huggingface/safetensors): 8 bytes of header length, a JSON header, then the
// tensors, row-major and little-endian. Nothing in a file is believed: every length, product and range is checked
// before it is used.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "files/json.hpp"
#include "files/whole_file.hpp"
#include "tensor/tensor.hpp"

namespace lact {

class SafetensorsFile {
 public:
  struct Entry {
    std::string dtype;  // as the format spells it: "F32", "BF16", ...
    Shape shape;
    Range bytes;  // behind the header
  };

  explicit SafetensorsFile(const std::string& path);
  const std::string& path() const { return file_.path(); }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<std::string>& names() const { return names_; }  // in the order of the bytes
  bool has(const std::string& name) const { return entries_.contains(name); }
  const Entry& entry(const std::string& name) const;

  // The nearest type of ours: F32 f32, F64 f64, BF16 bf16, F16 f32, U8 and BOOL u8, other integers i32. An integer that
  // does not fit is refused, as is a fraction asked for as an integer. `d` is a CPU.
  Tensor read(const std::string& name, Device& d) const;
  Tensor read_as(const std::string& name, Device& d, DType t) const;

 private:
  void take_header();
  std::string read_header();
  void take_entry(const std::string& name, const Json& description);
  void check_ranges();
  void read_bytes(std::byte* to, std::int64_t begin, std::int64_t count, const std::string& what) const;

  FileReader file_;
  std::int64_t data_begin_ = 0;
  std::map<std::string, std::string> metadata_;
  std::vector<std::string> names_;
  std::map<std::string, Entry> entries_;
};

// Replaces `path` whole. Larger element types come first, so that every tensor is aligned; otherwise the order is kept.
void write_safetensors(const std::string& path, std::span<const std::pair<std::string, Tensor>> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace lact
