// Cells in columns for a terminal: the first to the left, the others to the right. A row of one cell is a heading over
// all columns.
#pragma once
#include <string>
#include <vector>

namespace lact {

std::string aligned(const std::vector<std::vector<std::string>>& rows);

}  // namespace lact
