// One fact in a long text, asked at its end: whether a memory holds what it read once. Texts may be longer than those
// that the model was trained with.
#pragma once
#include "data/text/generated_text.hpp"
#include "models/language/model.hpp"

namespace lact {

inline constexpr std::int64_t least_needle_text = 32;  // tokens

struct NeedleScore {
  std::int64_t length = 0, distance = 0;  // of the text; from the fact to its question; in tokens
  double asked = 0, found = 0;
};

// Whether all of the value was right, of a sample's tokens 1 or 0 each.
bool answered(const Answer& answer, std::span<const float> right);

// As far away as a text of that length has room for, a quarter of that, and so on to 16 tokens; the nearest first.
std::vector<std::int64_t> needle_distances(std::int64_t length);
// So many texts of each length and distance, shared out over dp. The same on all ranks. Collective.
std::vector<NeedleScore> needle_scores(LanguageModel& model, Ctx& c, const GeneratedText& text,
                                       const std::vector<std::int64_t>& lengths, std::int64_t texts);

}  // namespace lact
