// Regular expressions over UTF-8, by which tokenizers cut text. They are written for Oniguruma and computed by PCRE2,
// for which what means something else there is rewritten, or refused: \s is Unicode's White_Space, \w letters, marks,
// decimal digits and connectors, ^ and $ are the ends of lines.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.hpp"

namespace lact {

class Pattern {
 public:
  // `where` begins the sentences of errors.
  Pattern(const std::string& expression, std::string where);
  // In bytes of a text that is UTF-8, in order; empty ones too, but none where another ends. An error where the
  // expression takes too many steps. Called by several threads at once.
  std::vector<Range> matches(std::string_view text) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
  std::string where_;
};

}  // namespace lact
