// Files of a formula: inputs in.NAME, outputs out.NAME with their weights cot.NAME, gradients grad.NAME of the inputs.
#pragma once
#include "verify/golden/golden.hpp"

namespace lact::golden {

struct Inputs {
  Tape tape;
  std::vector<std::string> names;
  std::vector<Var> in;
  // Those of `if_there` only where the file has them.
  Inputs(Case& c, const std::vector<std::string>& wanted, const std::vector<std::string>& if_there = {});
  Var operator[](const std::string& name) const;  // empty: not there
};

struct Output {
  std::string name;
  Var value;
};
// The outputs, and the gradient of every input of the sum of <cot.NAME, NAME> over them.
void compare_formula(Case& c, Inputs& inputs, const std::vector<Output>& outputs);

}  // namespace lact::golden
