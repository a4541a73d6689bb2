#include "run/weights.hpp"

#include <map>

#include "base/check.hpp"
#include "files/safetensors.hpp"

namespace lact {
namespace {

std::string without_wrappers(std::string name) {
  for (std::string_view prefix : {"module.", "_orig_mod.", "module."})
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  return name;
}

}  // namespace

void write_weights(const std::string& path, ParameterStore& store) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const Parameter& p : store.parameters()) tensors.emplace_back(p.name, store.value(p));
  write_safetensors(path, tensors, {{"format", "pt"}});
}

void read_weights(const std::string& path, ParameterStore& store, Device& d) {
  SafetensorsFile file(path);
  std::map<std::string, std::string> stored;  // parameter -> name in the file
  for (const std::string& name : file.names())
    check(stored.emplace(without_wrappers(name), name).second, "{}: '{}' stands twice, once with a wrapper's prefix",
          path, without_wrappers(name));
  for (const Parameter& p : store.parameters()) {
    check(stored.contains(p.name), "{}: the tensor '{}' is missing", path, p.name);
    const Shape& s = file.entry(stored[p.name]).shape;
    check(s == p.shape, "{}: '{}' has shape {}, the model wants {}", path, p.name, text_of(s), text_of(p.shape));
  }
  for (const auto& [parameter, name] : stored)
    check(store.find(parameter) != nullptr, "{}: the model has no tensor '{}'", path, name);
  std::vector<Tensor> numbers;
  for (const Parameter& p : store.parameters())
    numbers.push_back(file.read_as(stored[p.name], d, store.value(p).dtype()));
  std::size_t i = 0;
  for (const Parameter& p : store.parameters()) copy_bytes(store.value(p), numbers[i++]);
}

}  // namespace lact
