#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "base/log.hpp"
#include "data/text/token_shard.hpp"
#include "data/views/scene_folder.hpp"
#include "data/views/watched_views.hpp"
#include "files/hdf5.hpp"
#include "files/json.hpp"
#include "files/kind.hpp"
#include "files/safetensors.hpp"
#include "models/language/session.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

struct Findings {  // what a file is, its facts in order, and its tensors
  Json facts = Json::object();
  Json tensors = Json::array();
  std::int64_t numbers = 0;
  void tensor(const std::string& name, const std::string& dtype, const Shape& shape) {
    Json dims = Json::array();
    for (std::int64_t d : shape) dims.push(d);
    tensors.push(Json::object({{"name", name}, {"dtype", dtype}, {"shape", dims}}));
    numbers += count_of(shape);
  }
};

// Bytes by what they are, over all blocks: "3.weights.w0" is of weights.
Findings of_session(const SafetensorsFile& file) {
  const SessionFacts s = session_facts(file);
  Findings f;
  f.facts.set("kind", "session").set("model_type", s.owner.type).set("step", s.owner.step);
  f.facts.set("model", s.owner.model).set("tokenizer", s.owner.tokenizer);
  f.facts.set("position", s.position).set("waiting_tokens", s.pending);
  std::map<std::string, std::int64_t> bytes;
  for (const std::string& name : file.names()) {
    const SafetensorsFile::Entry& e = file.entry(name);
    f.tensor(name, e.dtype, e.shape);
    const std::size_t begin = name.find('.') + 1;
    bytes[name.substr(begin, name.find('.', begin) - begin)] += e.bytes.size();
  }
  for (const auto& [part, n] : bytes) f.facts.set("bytes of " + part, n);
  return f;
}

Findings of_safetensors(const std::string& path) {
  SafetensorsFile file(path);
  if (is_session(file)) return of_session(file);
  Findings f;
  f.facts.set("kind", "safetensors");
  for (const auto& [key, value] : file.metadata()) f.facts.set(key, value.substr(0, 300));
  for (const std::string& name : file.names()) f.tensor(name, file.entry(name).dtype, file.entry(name).shape);
  return f;
}

Findings of_checkpoint(const std::string& path) {
  Findings f;
  TrainState s = checkpoint_state(path);
  f.facts.set("kind", "checkpoint")
      .set("step", s.step)
      .set("next_sample", s.sample)
      .set("optimizer_steps", s.optimizer_steps);
  Hdf5File file = Hdf5File::open(path);
  for (const std::string& name : file.names()) f.tensor(name, name_of(file.info(name).dtype), file.info(name).shape);
  return f;
}

Findings of_run(const std::string& path) {
  Findings f;
  RunConfig c = config_of_run(path);
  std::vector<std::string> all = checkpoints_in(path);
  f.facts.set("kind", "run").set("steps_wanted", c.train.steps).set("checkpoints", std::int64_t(all.size()));
  f.facts.set("task", c.task_name).set("data", c.task->data_path().empty() ? "generated" : c.task->data_path());
  if (!all.empty()) f.facts.set("newest", all.back()).set("step", checkpoint_state(all.back()).step);
  ParameterStore store;
  const auto model = c.task->make_model(store, CpMode::tokens);
  for (const Parameter& p : store.parameters()) f.tensor(p.name, "f32", p.shape);
  return f;
}

// Of the first picture that is none of the damaged; where all are there is nothing to tell of the scene.
std::string size_of_first(const WatchedViews& source, std::int64_t scene) {
  std::string why;
  for (std::int64_t v = 0; v < source.views(scene); ++v) {
    try {
      const Camera c = source.looked_at(scene, v);
      return fill("{} x {} pixels", {c.width, c.height});
    } catch (const DamagedPicture& e) {
      if (why.empty()) why = e.what();
    }
  }
  fail("{}: all its pictures are damaged; {}", source.scene_title(scene), why);
}

Findings of_scenes(const std::string& path, bool follow_links) {
  const WatchedViews source(std::make_unique<SceneFolder>(path, 0, follow_links));
  look_at_some(source);
  Findings f;
  f.facts.set("kind", "posed photographs").set("scenes", source.scenes());
  for (std::int64_t s = 0; s < source.scenes(); ++s)
    f.facts.set(source.scene_name(s), fill("{} views, {}", {source.views(s), size_of_first(source, s)}));
  for (const std::string& sentence : source.damaged()) log::warning("{}", sentence);
  return f;
}

Findings of_picture(const std::string& path, const std::string& kind) {
  const ImageSize size = image_size(path);
  Findings f;
  f.facts.set("kind", kind).set("pixels", fill("{} x {}", {size.width, size.height}));
  return f;
}

// Of one, or of a folder of them; all of it is read, and damage is an error.
Findings of_shards(const std::string& path) {
  const TokenShards corpus(path);
  Findings f;
  const ShardFacts& first = corpus.shards().front().facts();
  std::int64_t bytes = 0, longest = 0, before = 0;
  for (const TokenShard& s : corpus.shards()) {
    s.verify();
    bytes += s.facts().text_bytes;
  }
  for (const std::int64_t end : corpus.ends()) {
    longest = std::max(longest, end - before);
    before = end;
  }
  f.facts.set("kind", "token shards").set("shards", std::int64_t(corpus.shards().size()));
  f.facts.set("tokenizer", first.tokenizer_name)
      .set("fingerprint", first.tokenizer)
      .set("vocabulary", first.vocabulary);
  f.facts.set("documents", corpus.documents()).set("longest_document", longest);
  f.facts.set("tokens", corpus.tokens()).set("bytes_of_text", bytes).set("checksum", corpus.checksum());
  for (const TokenShard& s : corpus.shards()) {
    const std::string name = fs::path(s.path()).filename().string() + ": ";
    f.tensor(name + "tokens", name_of(DType::i32), {s.tokens()});
    f.tensor(name + "document_ends", name_of(DType::i32), {s.documents()});
  }
  return f;
}

// By its first bytes; the name tells what a damaged file was meant to be.
Findings found(const std::string& path, bool follow_links) {
  check(fs::exists(path), "{}: no such file or folder", path);
  if (fs::is_directory(path) && holds_shards(path)) return of_shards(path);
  if (fs::is_directory(path)) return fs::exists(path + "/config.yaml") ? of_run(path) : of_scenes(path, follow_links);
  const FileKind is = kind_of(path);
  if (is.kind == FileKind::hdf5) return is_token_shard(path) ? of_shards(path) : of_checkpoint(path);
  if (is.kind == FileKind::safetensors) return of_safetensors(path);
  for (const std::string picture : {"PNG picture", "JPEG picture"})
    if (is.words.ends_with(picture)) return of_picture(path, picture);
  check(is.kind == FileKind::unknown, "{}: {}", path, is.words);
  if (path.ends_with(".safetensors")) return of_safetensors(path);
  if (path.ends_with(".h5") || path.ends_with(".hdf5")) return of_checkpoint(path);
  return of_scenes(path, follow_links);
}

}  // namespace

int inspect_command(const std::string& path, bool follow_links, bool json) {
  Findings f = found(path, follow_links);
  if (json) {
    f.facts.set("tensors", f.tensors).set("numbers", f.numbers);
    std::cout << f.facts.dump() << "\n";
    return exit_done;
  }
  for (const auto& [key, value] : f.facts.members())
    std::cout << fill("{:<20} {}\n", {one_line(key), one_line(value.is_text() ? value.text() : value.dump())});
  for (const Json& t : f.tensors.items())
    std::cout << fill("{:<60} {:<5} {}\n", {one_line(t["name"].text()), t["dtype"].text(), t["shape"].dump()});
  if (f.tensors.size() > 0) std::cout << fill("{} tensors, {} numbers\n", {f.tensors.size(), f.numbers});
  return exit_done;
}

}  // namespace lact
