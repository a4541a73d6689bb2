// A profile for people: a table on the terminal, a page with plots.
#pragma once
#include "files/json.hpp"
#include "run/chrome_trace.hpp"

namespace lact {

std::string profile_table(const Json& profile);
std::string profile_page(const Json& profile, const std::string& title, const std::vector<Track>& ranks);
std::string scaling_table(const Json& scaling);
std::string scaling_page(const Json& scaling, const std::string& title);

}  // namespace lact
