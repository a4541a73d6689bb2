#include "verify/golden/formula.hpp"

#include "base/check.hpp"

namespace lact::golden {

Inputs::Inputs(Case& c, const std::vector<std::string>& wanted, const std::vector<std::string>& if_there)
    : names(wanted) {
  for (const std::string& name : if_there) {
    check(c.has("in." + name) || !c.has("grad." + name), "the tensor 'in.{}' is missing", name);
    if (c.has("in." + name)) names.push_back(name);
  }
  for (const std::string& name : names) in.push_back(tape.leaf(c.input("in." + name)));
}

Var Inputs::operator[](const std::string& name) const {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return in[i];
  return {};
}

void compare_formula(Case& c, Inputs& inputs, const std::vector<Output>& outputs) {
  std::vector<Var> ys, cotangents;
  for (const auto& [name, value] : outputs) {
    c.compare("out." + name, value.value(), Kind::output);
    ys.push_back(value);
    cotangents.emplace_back(c.input("cot." + name));
    check(cotangents.back().shape() == value.shape(), "cot.{} has shape {}, and out.{} has {}", name,
          text_of(cotangents.back().shape()), name, text_of(value.shape()));
  }
  const std::vector<Var> grads = inputs.tape.grad(ys, inputs.in, cotangents);
  for (std::size_t i = 0; i < inputs.in.size(); ++i) {
    check(bool(grads[i]), "nothing depends on in.{}", inputs.names[i]);
    c.compare("grad." + inputs.names[i], grads[i].value(), Kind::gradient);
  }
}

}  // namespace lact::golden
