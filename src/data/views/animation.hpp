// Moving pictures.
#pragma once
#include <string>
#include <vector>

#include "data/views/images.hpp"

namespace lact {

// An animated GIF that repeats for ever: RGB frames of one size, one palette of at most 256 colours chosen for all of
// them. GIF counts time in hundredths of a second; the ends of frames are rounded to these, so the mean rate is kept.
// Needs 0 < frames_per_second <= 50.
void write_gif(const std::string& path, const std::vector<Image>& frames, double frames_per_second);

}  // namespace lact
