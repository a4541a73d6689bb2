#include "data/text/token_store.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace lact {

void TokensInMemory::add(const std::vector<std::int32_t>& document) {
  tokens_.insert(tokens_.end(), document.begin(), document.end());
  ends_.push_back(std::int64_t(tokens_.size()));
}

void TokensInMemory::read(Range part, std::int32_t* to) const {
  check(part.begin >= 0 && part.begin <= part.end && part.end <= tokens(), "{}: has no tokens {} to {}", name_,
        part.begin, part.end);
  std::copy(tokens_.begin() + part.begin, tokens_.begin() + part.end, to);
}

}  // namespace lact
