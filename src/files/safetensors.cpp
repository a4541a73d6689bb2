#include "files/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "base/check.hpp"
#include "files/row_major.hpp"

namespace lact {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are copied as the bytes of the file");

constexpr std::int64_t length_bytes = 8, max_header = 100'000'000, max_dims = 32;

struct FileType {
  std::string_view name;
  std::int64_t bytes;
  DType native;
};
constexpr std::array<FileType, 13> file_types = {{{"F64", 8, DType::f64},
                                                  {"F32", 4, DType::f32},
                                                  {"F16", 2, DType::f32},
                                                  {"BF16", 2, DType::bf16},
                                                  {"I64", 8, DType::i32},
                                                  {"I32", 4, DType::i32},
                                                  {"I16", 2, DType::i32},
                                                  {"I8", 1, DType::i32},
                                                  {"U64", 8, DType::i32},
                                                  {"U32", 4, DType::i32},
                                                  {"U16", 2, DType::i32},
                                                  {"U8", 1, DType::u8},
                                                  {"BOOL", 1, DType::u8}}};

const FileType* type_named(std::string_view name) {
  auto found = std::ranges::find(file_types, name, &FileType::name);
  return found == file_types.end() ? nullptr : &*found;
}

const FileType& type_for(DType t) {  // the same bytes in the file
  constexpr std::array<std::string_view, 5> names = {"F32", "BF16", "F64", "I32", "U8"};
  return *type_named(names[std::size_t(t)]);
}

float from_half(std::uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float magnitude = exponent == 31
                        ? (fraction ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity())
                    : exponent == 0 ? std::ldexp(float(fraction), -24)
                                    : std::ldexp(float(fraction + 1024), exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

template <class T>
double loaded(const std::byte* from) {
  T x;
  std::memcpy(&x, from, sizeof x);
  return double(x);
}

// Doubles carry every number that can be asked for: 64-bit integers that they round lie outside i32 anyway.
double number_at(const std::byte* from, std::string_view type) {
  if (type == "F64") return loaded<double>(from);
  if (type == "F32") return double(loaded<float>(from));
  if (type == "F16") return double(from_half(std::bit_cast<std::uint16_t>(std::array{from[0], from[1]})));
  if (type == "BF16") return double(from_bf16(std::bit_cast<std::uint16_t>(std::array{from[0], from[1]})));
  if (type == "I64") return loaded<std::int64_t>(from);
  if (type == "I32") return loaded<std::int32_t>(from);
  if (type == "I16") return loaded<std::int16_t>(from);
  if (type == "I8") return loaded<std::int8_t>(from);
  if (type == "U64") return loaded<std::uint64_t>(from);
  if (type == "U32") return loaded<std::uint32_t>(from);
  if (type == "U16") return loaded<std::uint16_t>(from);
  return loaded<std::uint8_t>(from);  // U8, BOOL
}

template <class T>
bool store_integer(T* to, double x) {
  using Limits = std::numeric_limits<T>;
  if (!(x >= double(Limits::min()) && x <= double(Limits::max())) || x != std::trunc(x)) return false;
  *to = T(x);
  return true;
}

bool store(const Tensor& to, std::int64_t i, double x) {
  switch (to.dtype()) {
    case DType::f64:
      to.data<double>()[i] = x;
      return true;
    case DType::f32:
      to.data<float>()[i] = float(x);
      return true;
    case DType::bf16:
      to.data<std::uint16_t>()[i] = to_bf16(float(x));
      return true;
    case DType::i32:
      return store_integer(to.data<std::int32_t>() + i, x);
    case DType::u8:
      return store_integer(to.data<std::uint8_t>() + i, x);
  }
  return false;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(path) {
  reading(path, [&] { take_header(); });
}

void SafetensorsFile::take_header() {
  Json header = Json::parse(read_header(), path() + " (header)", max_header);
  for (const auto& [name, value] : header.members()) {
    if (name != "__metadata__") {
      take_entry(name, value);
      continue;
    }
    for (const auto& [key, text] : value.members()) metadata_[key] = text.text();
  }
  check_ranges();
}

std::string SafetensorsFile::read_header() {
  check(file_.size() >= length_bytes, "{}: {} bytes are too short for a safetensors file", path(), file_.size());
  std::array<std::byte, length_bytes> raw;
  read_bytes(raw.data(), 0, length_bytes, "the header length");
  auto length = std::bit_cast<std::uint64_t>(raw);
  check(length > 0 && length <= std::uint64_t(max_header), "{}: a header of {} bytes is not between 1 and {}", path(),
        std::to_string(length), max_header);
  check(std::int64_t(length) <= file_.size() - length_bytes, "{}: the header of {} bytes ends beyond the file of {}",
        path(), length, file_.size());
  std::string text(length, ' ');
  read_bytes(reinterpret_cast<std::byte*>(text.data()), length_bytes, std::int64_t(length), "the header");
  check(text.front() == '{', "{}: the header is not a JSON object", path());
  data_begin_ = length_bytes + std::int64_t(length);
  return text;
}

void SafetensorsFile::take_entry(const std::string& name, const Json& description) {
  Entry e;
  e.dtype = description["dtype"].text();
  const FileType* type = type_named(e.dtype);
  check(type != nullptr, "{}: tensor '{}' has the unknown type '{}'", path(), name, e.dtype);
  Json shape = description["shape"], offsets = description["data_offsets"];
  check(shape.size() <= max_dims, "{}: tensor '{}' has {} dims, more than {}", path(), name, shape.size(), max_dims);
  for (const Json& d : shape.items()) e.shape.push_back(d.integer());
  check(offsets.size() == 2, "{}: tensor '{}' has {} data_offsets instead of 2", path(), name, offsets.size());
  e.bytes = {offsets.at(0).integer(), offsets.at(1).integer()};
  check(e.bytes.begin >= 0 && e.bytes.begin <= e.bytes.end && e.bytes.end <= file_.size() - data_begin_,
        "{}: tensor '{}' lies at bytes {} to {} of {}", path(), name, e.bytes.begin, e.bytes.end,
        file_.size() - data_begin_);
  auto wanted = bytes_of(e.shape, type->bytes);
  check(wanted.has_value(), "{}: tensor '{}' has the impossible shape {}", path(), name, text_of(e.shape));
  check(*wanted == e.bytes.size(), "{}: tensor '{}' of type {} and shape {} wants {} bytes but has {}", path(), name,
        e.dtype, text_of(e.shape), *wanted, e.bytes.size());
  names_.push_back(name);
  entries_.emplace(name, std::move(e));
}

// The format wants each byte behind the header to belong to exactly one tensor.
void SafetensorsFile::check_ranges() {
  auto place = [&](const std::string& n) {
    const Range& r = entries_.at(n).bytes;
    return std::pair(r.begin, r.end);
  };
  std::ranges::stable_sort(names_, {}, place);
  std::int64_t end = 0;
  for (const std::string& n : names_) {
    const Range& r = entries_.at(n).bytes;
    check(r.begin >= end, "{}: tensor '{}' overlaps the one before it", path(), n);
    check(r.begin == end, "{}: the {} bytes before tensor '{}' belong to no tensor", path(), r.begin - end, n);
    end = r.end;
  }
  check(end == file_.size() - data_begin_, "{}: the last {} bytes belong to no tensor", path(),
        file_.size() - data_begin_ - end);
}

void SafetensorsFile::read_bytes(std::byte* to, std::int64_t begin, std::int64_t count, const std::string& what) const {
  check(file_.read(to, count, begin) == count, "{}: {} ends early: the file has shrunk", path(), what);
}

const SafetensorsFile::Entry& SafetensorsFile::entry(const std::string& name) const {
  auto found = entries_.find(name);
  check(found != entries_.end(), "{}: there is no tensor '{}'", path(), name);
  return found->second;
}

Tensor SafetensorsFile::read(const std::string& name, Device& d) const {
  return read_as(name, d, type_named(entry(name).dtype)->native);
}

Tensor SafetensorsFile::read_as(const std::string& name, Device& d, DType t) const {
  if (d.backend() != Backend::cpu) return read_as(name, d.host(), t).on(d);
  const Entry& e = entry(name);
  const FileType& type = *type_named(e.dtype);
  std::string what = "tensor '" + name + "'";
  std::int64_t at = data_begin_ + e.bytes.begin;
  check(bytes_of(e.shape, size_of(t)).has_value(), "{}: {} is too large as {}", path(), what, name_of(t));
  Tensor out = Tensor::empty(d, e.shape, t);
  if (e.dtype == type_for(t).name || (e.dtype == "BOOL" && t == DType::u8)) {
    read_bytes(out.raw(), at, e.bytes.size(), what);
    return out;
  }
  std::array<std::byte, 1 << 16> block;
  for (std::int64_t done = 0; done < out.count();) {
    std::int64_t numbers = std::min(std::int64_t(block.size()) / type.bytes, out.count() - done);
    read_bytes(block.data(), at + done * type.bytes, numbers * type.bytes, what);
    for (std::int64_t i = 0; i < numbers; ++i) {
      double x = number_at(block.data() + i * type.bytes, e.dtype);
      if (!store(out, done + i, x)) fail("{}: {} holds {}, which does not fit {}", path(), what, x, name_of(t));
    }
    done += numbers;
  }
  return out;
}

void write_safetensors(const std::string& path, std::span<const std::pair<std::string, Tensor>> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const std::pair<std::string, Tensor>*> order;
  for (const auto& t : tensors) order.push_back(&t);
  std::ranges::stable_sort(order, std::greater<>(), [](const auto* t) { return size_of(t->second.dtype()); });
  Json header = Json::object();
  std::set<std::string> seen = {"__metadata__"};
  if (!metadata.empty()) {
    Json texts = Json::object();
    for (const auto& [key, text] : metadata) texts.set(key, text);
    header.set("__metadata__", texts);
  }
  std::int64_t end = 0;
  for (const auto* t : order) {
    const auto& [name, tensor] = *t;
    check(seen.insert(name).second, "{}: a tensor cannot be named '{}' twice or as the metadata", path, name);
    check(tensor.defined(), "{}: tensor '{}' has no numbers", path, name);
    std::int64_t begin = end;
    end += tensor.count() * size_of(tensor.dtype());
    Json shape = Json::array();
    for (std::int64_t d : tensor.shape()) shape.push(d);
    header.set(name, Json::object({{"dtype", std::string(type_for(tensor.dtype()).name)},
                                   {"shape", shape},
                                   {"data_offsets", Json::array({begin, end})}}));
  }
  std::string text = header.dump();
  text.resize((text.size() + length_bytes - 1) / length_bytes * length_bytes, ' ');
  auto length = std::bit_cast<std::array<char, length_bytes>>(std::uint64_t(text.size()));
  Replacement replacement(path);
  FileWriter out(replacement.temporary(), path);
  out.write({length.data(), length.size()});
  out.write(text);
  for (const auto* t : order) {
    Tensor packed = row_major(t->second);
    out.write({reinterpret_cast<const char*>(packed.raw()), std::size_t(packed.count() * size_of(packed.dtype()))});
  }
  out.close();
  replacement.commit();
}

}  // namespace lact
