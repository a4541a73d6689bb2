#include "base/check.hpp"

#include <fmt/args.h>
#include <fmt/format.h>

namespace lact {

std::string fill(std::string_view text, std::initializer_list<Word> words) {
  fmt::dynamic_format_arg_store<fmt::format_context> store;
  for (const Word& w : words) std::visit([&](const auto& x) { store.push_back(x); }, w.v);
  try {
    return fmt::vformat(text, store);
  } catch (const fmt::format_error&) {  // a wrong sentence must not hide the error it reports
    return std::string(text);
  }
}

void fail_with(const Said& why, std::initializer_list<Word> words) {
  throw Error(fill(why.text, words), fmt::format("{}:{}", why.at.file_name(), why.at.line()));
}

}  // namespace lact
