#include "io/checkpoint.hpp"

#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/check.hpp"
#include "base/log.hpp"
#include "files/hdf5.hpp"
#include "files/whole_file.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t version = 1;

std::string checksum(const Tensor& numbers) {
  const Tensor t = on_host(numbers);
  return fill("{:016x}", {std::int64_t(XXH3_64bits(t.raw(), std::size_t(t.count() * size_of(t.dtype()))))});
}

struct Part {  // one of the numbers that a parameter has
  std::string name;
  Tensor place;
};

std::vector<Part> parts_of(ParameterStore& store) {
  std::vector<Part> parts;
  for (const Parameter& p : store.parameters()) {
    if (!p.here) continue;
    auto& b = store.buckets()[p.bucket];
    parts.push_back({"value/" + p.name, store.value(p)});
    if (b.first.defined()) parts.push_back({"first/" + p.name, ParameterStore::piece(b.first, p)});
    if (b.second.defined()) parts.push_back({"second/" + p.name, ParameterStore::piece(b.second, p)});
  }
  return parts;
}

TrainState state_of(const Hdf5File& file) {
  check(file.has_attribute("lact_checkpoint"), "{}: is not a checkpoint of lact", file.path());
  check(file.integer("lact_checkpoint") == version, "{}: is a checkpoint of version {}, this program reads {}",
        file.path(), file.integer("lact_checkpoint"), version);
  return {.step = file.integer("step"),
          .sample = file.integer("sample"),
          .optimizer_steps = file.integer("optimizer_steps"),
          .skipped_in_a_row = file.integer("skipped_in_a_row"),
          .config = file.text("config")};
}

// The file's tensors are those of this model, by name and shape.
void check_same_model(const Hdf5File& file, const std::vector<Part>& parts) {
  std::set<std::string> known;
  for (const Part& p : parts) {
    known.insert(p.name);
    check(file.has(p.name), "{}: is a checkpoint of another model: it has no '{}'", file.path(), p.name);
    Shape s = file.info(p.name).shape;
    check(s == p.place.shape(), "{}: is a checkpoint of another model: '{}' has shape {}, the model wants {}",
          file.path(), p.name, text_of(s), text_of(p.place.shape()));
  }
  for (const std::string& name : file.names())
    check(known.contains(name) || !name.starts_with("value/"),
          "{}: is a checkpoint of another model: it has '{}' in addition", file.path(), name);
}

std::vector<std::string> files_of_steps(const std::string& run_folder, std::string_view ending) {  // oldest first
  std::vector<std::string> out;
  fs::path folder = fs::path(run_folder) / "checkpoints";
  if (!fs::is_directory(folder)) return out;
  for (const auto& e : fs::directory_iterator(folder)) {
    std::string name = e.path().filename().string();
    if (name.starts_with("step_") && name.ends_with(ending)) out.push_back(run_folder + "/checkpoints/" + name);
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

void write_checkpoint(const std::string& path, ParameterStore& store, const TrainState& state) {
  Replacement whole(path);
  {
    Hdf5File file = Hdf5File::create(whole.temporary());
    for (const Part& p : parts_of(store)) {
      const Tensor numbers = on_host(p.place);
      file.put(p.name, numbers);
      file.set_attribute("xxh3", checksum(numbers), p.name);
    }
    file.set_attribute("lact_checkpoint", version);
    file.set_attribute("step", state.step);
    file.set_attribute("sample", state.sample);
    file.set_attribute("optimizer_steps", state.optimizer_steps);
    file.set_attribute("skipped_in_a_row", state.skipped_in_a_row);
    file.set_attribute("config", state.config);
    file.close();
  }
  whole.commit();
}

TrainState read_checkpoint(const std::string& path, ParameterStore& store, Device& d) {
  Device& host = d.host();  // all of it is checked there before a number of the store changes
  Hdf5File file = Hdf5File::open(path);
  TrainState state = state_of(file);
  std::vector<Part> parts = parts_of(store);
  check_same_model(file, parts);
  std::map<std::string, Tensor> numbers;
  for (const std::string& name : file.names()) {  // moments that nobody asks for too: a damaged file is damaged
    Tensor t = file.get(name, host);
    check(checksum(t) == file.text("xxh3", name), "{}: is damaged: the checksum of '{}' does not match", path, name);
    if (std::ranges::find(parts, name, &Part::name) != parts.end()) numbers[name] = t;
  }
  for (const Part& p : parts)
    check(numbers.at(p.name).dtype() == p.place.dtype(), "{}: '{}' has type {}", path, p.name,
          name_of(numbers.at(p.name).dtype()));
  for (const Part& p : parts) copy_bytes(p.place, numbers.at(p.name));
  return state;
}

TrainState checkpoint_state(const std::string& path) { return state_of(Hdf5File::open(path)); }

std::string checkpoint_path(const std::string& run_folder, std::int64_t step) {
  return run_folder + fill("/checkpoints/step_{:08d}.h5", {step});
}

std::vector<std::string> checkpoints_in(const std::string& run_folder) { return files_of_steps(run_folder, ".h5"); }

void remove_old_checkpoints(const std::string& run_folder, std::int64_t step, std::int64_t keep) {
  std::vector<std::string> old = checkpoints_in(run_folder), torn = files_of_steps(run_folder, ".h5.partial");
  std::erase_if(old, [newest = checkpoint_path(run_folder, step)](const std::string& path) { return path > newest; });
  old.resize(old.size() - std::min(old.size(), std::size_t(keep)));
  old.insert(old.end(), torn.begin(), torn.end());
  for (const std::string& path : old) {
    std::error_code error;
    fs::remove(path, error);
    if (error) log::warning("{} cannot be removed: {}", path, error.message());
  }
}

}  // namespace lact
