#include "run/checkpoint.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "base/check.hpp"
#include "base/file_work.hpp"
#include "base/log.hpp"
#include "files/checksum.hpp"
#include "files/hdf5.hpp"
#include "files/whole_file.hpp"
#include "parallel/together.hpp"
#include "run/global_numbers.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t version = 1;

TrainState state_of(const Hdf5File& file) {
  check(file.has_attribute("lact_checkpoint"), "{}: is not a checkpoint of lact", file.path());
  check(file.integer("lact_checkpoint") == version, "{}: is a checkpoint of version {}, this program reads {}",
        file.path(), file.integer("lact_checkpoint"), version);
  const TrainState s{.step = file.integer("step"),
                     .sample = file.integer("sample"),
                     .optimizer_steps = file.integer("optimizer_steps"),
                     .skipped_in_a_row = file.integer("skipped_in_a_row"),
                     .config = file.text("config")};
  // attributes have no checksum; these are ones that no run writes
  constexpr std::int64_t most = std::int64_t(1) << 40;
  check(s.step >= 0 && s.step <= most, "{}: is damaged: its step is {}", file.path(), s.step);
  check(s.step == 0 ? s.sample == 0 : s.sample > 0 && s.sample % s.step == 0,
        "{}: is damaged: its {} steps have seen {} samples", file.path(), s.step, s.sample);
  check(s.optimizer_steps >= 0 && s.skipped_in_a_row >= 0 && s.optimizer_steps <= s.step &&
            s.skipped_in_a_row <= s.step - s.optimizer_steps,
        "{}: is damaged: of its {} steps the optimizer made {} and left out the last {}", file.path(), s.step,
        s.optimizer_steps, s.skipped_in_a_row);
  return s;
}

// The file's tensors are those of this model, by name, shape and type.
void check_same_model(const Hdf5File& file, const std::vector<GlobalTensor>& model) {
  std::set<std::string> known;
  for (const GlobalTensor& t : model) {
    known.insert(t.name);
    check(file.has(t.name), "{}: is a checkpoint of another model: it has no '{}'", file.path(), t.name);
    const auto [shape, type, bytes] = file.info(t.name);
    check(shape == t.shape, "{}: is a checkpoint of another model: '{}' has shape {}, the model wants {}", file.path(),
          t.name, text_of(shape), text_of(t.shape));
    check(type == t.type, "{}: '{}' has type {}", file.path(), t.name, name_of(type));
  }
  for (const std::string& name : file.names())
    check(known.contains(name) || !name.starts_with("value/"),
          "{}: is a checkpoint of another model: it has '{}' in addition", file.path(), name);
}

std::string as_text(std::uint64_t checksum) { return fill("{:016x}", {std::int64_t(checksum)}); }

// Of every tensor in the file. The ranks share the reading.
std::vector<std::uint64_t> checksums(const std::string& path, const std::vector<GlobalTensor>& tensors,
                                     Communicator& world) {
  std::vector<std::uint64_t> sums;
  together(world, [&] {
    const FileWork work("checking", path);
    sums = checksums_of_share(FileReader(path), tensors, world.rank(), world.size());
  });
  std::vector<std::uint64_t> all(tensors.size());
  for (const auto& share : gathered(world, sums))
    for (std::size_t i = 0; i < all.size(); ++i) all[i] += share[i];  // the others' are 0
  return all;
}

std::vector<std::string> files_of_steps(const std::string& run_folder, std::string_view ending) {  // oldest first
  std::vector<std::string> out;
  fs::path folder = fs::path(run_folder) / "checkpoints";
  const FileWork work("reading", folder.string());
  if (!fs::is_directory(folder)) return out;
  for (const auto& e : fs::directory_iterator(folder)) {
    std::string name = e.path().filename().string();
    if (name.starts_with("step_") && name.ends_with(ending)) out.push_back(run_folder + "/checkpoints/" + name);
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace

// The first rank makes the file with all its tensors; then every rank writes what it holds to its place.
void write_checkpoint(const std::string& path, ParameterStore& store, Mesh& mesh, const TrainState& state) {
  Communicator& world = mesh.world();
  const bool first = world.rank() == 0;
  store.settle();
  std::vector<GlobalTensor> tensors = tensors_of_all_ranks(store, mesh);
  std::optional<Replacement> whole;
  std::optional<Hdf5File> file;
  std::vector<std::uint64_t> places(first ? tensors.size() : 0), sums;
  together(world, [&] {
    if (!first) return;
    const FileWork work("writing", path);
    whole.emplace(path);
    file.emplace(Hdf5File::create(whole->temporary()));
    for (const GlobalTensor& t : tensors) file->create_dataset(t.name, t.shape, t.type);
    for (std::size_t i = 0; i < tensors.size(); ++i) places[i] = std::uint64_t(file->place(tensors[i].name));
  });
  const std::string temporary = gathered(world, first ? whole->temporary() : "").front();
  places = gathered(world, places).front();
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].place = std::int64_t(places[i]);
  together(world, [&] {
    const FileWork work("writing", path);
    PlaceWriter out(temporary, path);
    write_owned(out, tensors, store, mesh);
    out.close();
  });
  sums = checksums(temporary, tensors, world);
  together(world, [&] {
    if (!first) return;
    const FileWork work("writing", path);
    for (std::size_t i = 0; i < tensors.size(); ++i) file->set_attribute("xxh3", as_text(sums[i]), tensors[i].name);
    file->set_attribute("lact_checkpoint", version);
    file->set_attribute("step", state.step);
    file->set_attribute("sample", state.sample);
    file->set_attribute("optimizer_steps", state.optimizer_steps);
    file->set_attribute("skipped_in_a_row", state.skipped_in_a_row);
    file->set_attribute("config", state.config);
    file->close();
    whole->commit();
  });
}

TrainState read_checkpoint(const std::string& path, ParameterStore& store, Mesh& mesh) {
  Communicator& world = mesh.world();
  TrainState state;
  std::vector<GlobalTensor> in_file;
  std::vector<std::string> wanted;
  const std::vector<GlobalTensor> model = tensors_of_all_ranks(store, mesh);
  together(world, [&] {
    const FileWork work("reading", path);
    const Hdf5File file = Hdf5File::open(path);
    state = state_of(file);
    check_same_model(file, model);
    for (const std::string& name : file.names()) {
      const auto [shape, type, bytes] = file.info(name);
      in_file.push_back({name, shape, type, 0, file.place(name)});
      wanted.push_back(file.text("xxh3", name));
    }
  });
  // moments that nobody asks for too: a damaged file is damaged
  const std::vector<std::uint64_t> found = checksums(path, in_file, world);
  for (std::size_t i = 0; i < in_file.size(); ++i)
    check(as_text(found[i]) == wanted[i], "{}: is damaged: the checksum of '{}' does not match", path, in_file[i].name);
  std::vector<Tensor> numbers;
  together(world, [&] {
    const FileWork work("reading", path);
    numbers = read_held(FileReader(path), in_file, store, mesh);
  });
  store.settle();
  put_held(store, numbers);
  return state;
}

std::string fingerprint_of_weights(const std::string& path) {
  const FileWork work("reading", path);
  const Hdf5File file = Hdf5File::open(path);
  state_of(file);
  std::string all;
  for (const std::string& name : file.names())
    if (name.starts_with("value/")) all += name + " " + file.text("xxh3", name) + "\n";
  return checksum_text(checksum_of(all));
}

TrainState checkpoint_state(const std::string& path) { return state_of(Hdf5File::open(path)); }

std::string checkpoint_path(const std::string& run_folder, std::int64_t step) {
  return run_folder + fill("/checkpoints/step_{:08d}.h5", {step});
}

std::vector<std::string> checkpoints_in(const std::string& run_folder) { return files_of_steps(run_folder, ".h5"); }

void remove_old_checkpoints(const std::string& run_folder, std::int64_t step, std::int64_t keep, std::int64_t skipped) {
  const std::string newest = checkpoint_path(run_folder, step), doubtful = checkpoint_path(run_folder, step - skipped);
  std::vector<std::string> old, remove = files_of_steps(run_folder, ".h5.partial");
  for (const std::string& path : checkpoints_in(run_folder)) {
    if (path < doubtful || (path == newest && skipped == 0))
      old.push_back(path);
    else if (path < newest)
      remove.push_back(path);
  }
  old.resize(old.size() - std::min(old.size(), std::size_t(keep)));
  remove.insert(remove.end(), old.begin(), old.end());
  const FileWork work("removing old checkpoints of", run_folder);
  for (const std::string& path : remove) {
    std::error_code error;
    fs::remove(path, error);
    if (error) log::warning("{} cannot be removed: {}", path, error.message());
  }
}

}  // namespace lact
