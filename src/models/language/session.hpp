// Sessions: the carried state of one sample as a file, to be continued, copied and forked. It is safetensors: every
// length in it is judged before it is used, other programs read it, and a copy is a session of its own. Heads of all
// ranks of tp stand in it whole, so any layout opens what any layout saved.
#pragma once
#include "models/language/model.hpp"

namespace lact {

// What a session belongs to. Equal fingerprints: the same config and weights, and the same tokens for a text.
struct SessionOwner {
  std::string model, tokenizer;  // fingerprints
  std::string type;              // model.model_type
  std::int64_t step = 0;         // of the run
};

struct Session {
  LanguageState state;
  std::vector<std::int32_t> pending = {};  // tokens that belong to the text and that the state has not seen
};

// Written beside and renamed: a session that is there stays whole until the new one is. Collective.
void write_session(const std::string& path, LanguageModel& model, Ctx& c, Session session, const SessionOwner& owner);
// An error in one sentence where the file is damaged, of another model, or no session. Collective.
Session read_session(const std::string& path, LanguageModel& model, Ctx& c, const SessionOwner& owner);

// What a file says of itself, for people.
struct SessionFacts {
  SessionOwner owner;
  std::int64_t position = 0, pending = 0;
};
class SafetensorsFile;
bool is_session(const SafetensorsFile& file);
SessionFacts session_facts(const SafetensorsFile& file);

}  // namespace lact
