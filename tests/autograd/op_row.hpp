// What a row of the table of ops says: inputs, results, and for fused ops the definition they must equal.
#pragma once
#include "support/gradcheck.hpp"

namespace lact::op_table {

constexpr std::int64_t rows = -1;  // in a shape of the table: 3, and 0 in the test of empty tensors

enum class Domain { all, positive, away_from_zero };

struct Row {
  std::string name;  // as declared; what follows a blank tells rows of one op apart
  std::vector<Shape> inputs;
  std::vector<Shape> results;
  Function f;
  std::int64_t sum = 1;  // numbers in the longest sum, of the value or of a gradient: the unit of the rounding bounds
  Domain domain = Domain::all;
  Function definition;  // the same in other ops: what a fused op must equal
};

inline void PrintTo(const Row& r, std::ostream* out) { *out << r.name; }

inline Function unary(Var (*f)(const Var&)) {
  return [f](std::span<const Var> x) { return std::vector<Var>{f(x[0])}; };
}
inline Function binary(Var (*f)(const Var&, const Var&)) {
  return [f](std::span<const Var> x) { return std::vector<Var>{f(x[0], x[1])}; };
}
template <class F>
Function one(F f) {
  return [f](std::span<const Var> x) { return std::vector<Var>{f(x)}; };
}
using In = std::span<const Var>;

}  // namespace lact::op_table
