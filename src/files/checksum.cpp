#include "files/checksum.hpp"

#include <xxhash.h>

#include "base/check.hpp"

namespace lact {

std::uint64_t checksum_of(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string checksum_text(std::uint64_t sum) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[sum >> shift & 15];
  return text;
}

Checksum::Checksum() {
  XXH3_state_t* state = XXH3_createState();
  check(state != nullptr, "there is no memory for a checksum");
  state_ = std::shared_ptr<void>(state, [](void* s) { XXH3_freeState(static_cast<XXH3_state_t*>(s)); });
  XXH3_64bits_reset(state);
}

void Checksum::add(const void* bytes, std::int64_t count) {
  XXH3_64bits_update(static_cast<XXH3_state_t*>(state_.get()), bytes, std::size_t(count));
}

std::uint64_t Checksum::sum() const { return XXH3_64bits_digest(static_cast<const XXH3_state_t*>(state_.get())); }

}  // namespace lact
