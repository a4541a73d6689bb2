#include "data/text/token_store.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "files/checksum.hpp"

namespace lact {

std::int64_t nearest_of(const std::vector<std::int64_t>& numbers, std::int64_t x) {
  check(!numbers.empty(), "of no numbers none is near");
  const auto above = std::ranges::lower_bound(numbers, x);
  if (above == numbers.begin()) return *above;
  const std::int64_t below = *(above - 1);
  return above == numbers.end() || x - below <= *above - x ? below : *above;
}

void TokensInMemory::add(const std::vector<std::int32_t>& document) {
  tokens_.insert(tokens_.end(), document.begin(), document.end());
  ends_.push_back(std::int64_t(tokens_.size()));
}

std::int64_t TokensInMemory::end_near(std::int64_t token) const {
  return ends_.empty() || token <= ends_[0] / 2 ? 0 : nearest_of(ends_, token);
}

std::string TokensInMemory::checksum() const {
  return checksum_text(
      checksum_of({reinterpret_cast<const char*>(tokens_.data()), tokens_.size() * sizeof(std::int32_t)}));
}

void TokensInMemory::read(Range part, std::int32_t* to) const {
  check(part.begin >= 0 && part.begin <= part.end && part.end <= tokens(), "{}: has no tokens {} to {}", name_,
        part.begin, part.end);
  std::copy(tokens_.begin() + part.begin, tokens_.begin() + part.end, to);
}

}  // namespace lact
