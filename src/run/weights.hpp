// Weights as safetensors under the authors' parameter names, both ways.
#pragma once
#include <string>

#include "layers/parameters.hpp"

namespace lact {

void write_weights(const std::string& path, ParameterStore& store);
// Every parameter of the model must be there with its shape, and nothing else; the first that is not is named. Nothing
// changes before all of it was checked. Names may carry one of the wrappers' prefixes "module." or "_orig_mod.".
void read_weights(const std::string& path, ParameterStore& store, Device& d);

}  // namespace lact
