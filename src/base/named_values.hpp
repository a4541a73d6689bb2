// Numbers with names, in their order: the values of an evaluation, the scalars of a report.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace lact {

using NamedValues = std::vector<std::pair<std::string, double>>;

}  // namespace lact
