#include "models/language/session.hpp"

#include <charconv>
#include <map>

#include "autograd/broadcast.hpp"
#include "autograd/collectives.hpp"
#include "base/check.hpp"
#include "base/file_work.hpp"
#include "files/checksum.hpp"
#include "files/kind.hpp"
#include "files/row_major.hpp"
#include "files/safetensors.hpp"
#include "parallel/together.hpp"

namespace lact {
namespace {

constexpr const char* version = "1";
constexpr const char* pending_name = "pending";
using Texts = std::map<std::string, std::string>;
using Numbers = std::map<std::string, Tensor>;

// Of everything in a session but the checksum itself.
std::string checksum_of_all(const Texts& texts, const Numbers& numbers) {
  Checksum sum;
  auto add = [&](const std::string& s) { sum.add(s.data(), std::int64_t(s.size())); };
  for (const auto& [key, text] : texts)
    if (key != "checksum") add(key + "=" + text + "\n");
  for (const auto& [name, t] : numbers) {
    add(name + " " + name_of(t.dtype()) + " " + text_of(t.shape()) + "\n");
    const Tensor rows = row_major(t);
    sum.add(rows.raw(), rows.count() * size_of(rows.dtype()));
  }
  return checksum_text(sum.sum());
}

std::string text_at(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  check(found != file.metadata().end(), "{}: is damaged: a session says its {}", file.path(), key);
  return found->second;
}
std::int64_t number_at(const SafetensorsFile& file, const std::string& key) {
  const std::string text = text_at(file, key);
  std::int64_t n = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  check(error == std::errc() && end == text.data() + text.size() && n >= 0 && n <= most_tokens_of_text,
        "{}: is damaged: its {} is '{}'", file.path(), key, text);
  return n;
}

void check_owner(const SessionFacts& found, const SessionOwner& owner, const std::string& path) {
  check(found.owner.model == owner.model, "{}: belongs to another model ({} at step {}) than this one ({} at step {})",
        path, found.owner.type, found.owner.step, owner.type, owner.step);
  check(found.owner.tokenizer == owner.tokenizer, "{}: was written with another tokenizer ({}, here {})", path,
        found.owner.tokenizer, owner.tokenizer);
}

// What a part must be: as in a state that has seen a token, but for the number of tokens of a buffer.
void check_part(const StatePart& part, const Tensor& seen, const Tensor& like, const std::string& path) {
  const std::string name = part.name;
  const Tensor& model = seen.defined() ? seen : like;
  check(model.defined(), "{}: is damaged: the model has no '{}'", path, name);
  Shape wanted = model.shape();
  if (part.buffer != nullptr) wanted[wanted.size() - 2] = part.kept;
  const Tensor has = part.numbers();
  check(has.shape() == wanted && has.dtype() == model.dtype(),
        "{}: is damaged: '{}' is {} {}, where the model has {} {}", path, name, name_of(has.dtype()),
        text_of(has.shape()), name_of(model.dtype()), text_of(wanted));
}

Numbers numbers_in(const SafetensorsFile& file, Device& d) {
  return reading(file.path(), [&] {
    Numbers all;
    for (const std::string& name : file.names()) all[name] = file.read(name, d.host());
    check(checksum_of_all(file.metadata(), all) == text_at(file, "checksum"),
          "{}: is damaged: its checksum does not match", file.path());
    return all;
  });
}

std::vector<std::int32_t> pending_of(Numbers& all, const std::string& path, std::int64_t vocabulary) {
  const auto found = all.find(pending_name);
  check(found != all.end() && found->second.dtype() == DType::i32 && found->second.dims() == 1,
        "{}: is damaged: it has no list of pending tokens", path);
  std::vector<std::int32_t> out;
  for (const double id : found->second.to_doubles()) {
    check(id >= 0 && id < double(vocabulary), "{}: is damaged: token {} is not among {}", path, id, vocabulary);
    out.push_back(std::int32_t(id));
  }
  all.erase(found);
  return out;
}

// This rank's part of what all ranks of tp have.
Tensor own_part(const Tensor& whole, const StatePart& part, Ctx& c, const std::string& path) {
  if (part.heads_dim < 0) return row_major(whole).on(c.device);
  const int tp = c.mesh.grid().size[std::size_t(Axis::tp)], at = c.mesh.at(Axis::tp);
  check(whole.dims() > part.heads_dim && whole.dim(part.heads_dim) % tp == 0, "{}: is damaged: '{}' is {}", path,
        part.name, text_of(whole.shape()));
  const std::int64_t each = whole.dim(part.heads_dim) / tp;
  return row_major(whole.cut(part.heads_dim, {at * each, (at + 1) * each})).on(c.device);
}

void put(const StatePart& part, const Tensor& t, const std::string& path) {
  if (part.value != nullptr) {
    *part.value = t;
    return;
  }
  check(t.dims() >= 2 && t.dim(-2) == part.kept && part.kept > 0, "{}: is damaged: '{}' is {} and has {} tokens", path,
        part.name, text_of(t.shape()), part.kept);
  part.buffer->make_room(part.kept, t, 0);
  part.buffer->write(0, t);
}

// The state of one token, to compare shapes with.
LanguageState after_one_token(LanguageModel& model, Ctx& c) {
  const std::int32_t first = 0;
  LanguageState state;
  model.advance(c, Tensor::of(c.device, {1, 1}, std::span(&first, 1)), state);
  return state;
}

}  // namespace

bool is_session(const SafetensorsFile& file) { return file.metadata().contains("lact_session"); }

SessionFacts session_facts(const SafetensorsFile& file) {
  check(is_session(file), "{}: is no session; save=FILE of `lact generate` writes one", file.path());
  check(text_at(file, "lact_session") == version, "{}: is a session of version {}, this program reads {}", file.path(),
        text_at(file, "lact_session"), version);
  SessionFacts f;
  f.owner = {text_at(file, "model"), text_at(file, "tokenizer"), text_at(file, "model_type"), number_at(file, "step")};
  f.position = number_at(file, "position");
  if (file.has(pending_name)) f.pending = count_of(file.entry(pending_name).shape);
  return f;
}

void write_session(const std::string& path, LanguageModel& model, Ctx& c, Session session, const SessionOwner& owner) {
  check(session.state.samples == 1, "a session holds one sample, not {}", session.state.samples);
  Texts texts{{"lact_session", version},
              {"model", owner.model},
              {"tokenizer", owner.tokenizer},
              {"model_type", owner.type},
              {"step", std::to_string(owner.step)},
              {"position", std::to_string(session.state.position)}};
  Numbers numbers;
  Communicator& tp = c.mesh.along(Axis::tp);
  for (const StatePart& part : parts_of(session.state, model.config())) {
    const Tensor t = part.numbers();
    if (!t.defined()) continue;
    const bool parted = tp.size() > 1 && part.heads_dim >= 0;
    const Tensor whole = parted ? gather(Var(dense(t)), part.heads_dim, tp).value() : t;
    numbers[part.name] = on_host(dense(whole));
  }
  together(c.mesh.world(), [&] {
    if (c.mesh.world().rank() != 0) return;
    const FileWork work("writing", path);
    numbers[pending_name] = Tensor::of(c.device.host(), {std::int64_t(session.pending.size())},
                                       std::span<const std::int32_t>(session.pending));
    texts["checksum"] = checksum_of_all(texts, numbers);
    const std::vector<std::pair<std::string, Tensor>> all(numbers.begin(), numbers.end());
    write_safetensors(path, all, texts);
  });
}

Session read_session(const std::string& path, LanguageModel& model, Ctx& c, const SessionOwner& owner) {
  LanguageState one = after_one_token(model, c);
  const std::vector<StatePart> seen = parts_of(one, model.config());
  Session session{model.first_state(1)};
  together(c.mesh.world(), [&] {
    const FileWork work("reading", path);
    const FileKind kind = kind_of(path);
    check(kind.kind != FileKind::hdf5 && kind.kind != FileKind::other, "{}: {}, and no session", path, kind.words);
    const SafetensorsFile file(path);
    const SessionFacts facts = session_facts(file);
    check_owner(facts, owner, path);
    Numbers all = numbers_in(file, c.device);
    session.pending = pending_of(all, path, model.config().vocab_size);
    session.state.position = facts.position;
    const std::vector<StatePart> parts = parts_of(session.state, model.config());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto found = all.find(parts[i].name);
      const bool may_lack =
          parts[i].buffer != nullptr ? parts[i].kept == 0 : parts[i].like != nullptr || !seen[i].numbers().defined();
      check(found != all.end() || may_lack || facts.position == 0, "{}: is damaged: it has no '{}'", path,
            parts[i].name);
      if (found == all.end()) continue;
      const Var* like = seen[i].like;
      put(parts[i], own_part(found->second, parts[i], c, path), path);
      check_part(parts[i], seen[i].numbers(), like != nullptr && *like ? like->value() : Tensor(), path);
      all.erase(found);
    }
    check(all.empty(), "{}: is damaged: '{}' is no part of the model's state", path,
          all.empty() ? "" : all.begin()->first);
    for (LanguageState::OfBlock& block : session.state.blocks)
      if (auto* s = std::get_if<CausalLactState>(&block.layer); s != nullptr && !model.config().lact.ttt_prenorm)
        s->weights.sum = s->weights.applied;
  });
  return session;
}

}  // namespace lact
