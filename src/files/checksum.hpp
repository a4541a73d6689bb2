// Checksums of bytes: XXH3 of 64 bits, which finds damage and hinders nobody who means harm.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace lact {

std::uint64_t checksum_of(std::string_view bytes);
std::string checksum_text(std::uint64_t sum);  // 16 hexadecimal digits

// Of bytes that come in parts.
class Checksum {
 public:
  Checksum();
  void add(const void* bytes, std::int64_t count);
  std::uint64_t sum() const;

 private:
  std::shared_ptr<void> state_;
};

}  // namespace lact
