// What a person looks at: rendered pictures, and sheets that lay them beside the photographs.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/views/images.hpp"

namespace lact {

// Planar [3, h, w]: value * 255, clipped to [0, 255] and truncated, as the published code stores its renderings.
Image to_image(std::span<const float> rgb, std::int64_t height, std::int64_t width);

struct SheetRow {  // planar [3, h, w] pictures
  std::string label;
  std::span<const float> input, target, prediction;
};

// A row each of input, target, prediction and the absolute difference of the last two (mean over channels, times four,
// black to white), under the label and the row's PSNR. Labels know A-Z, 0-9 and ". - +"; the rest stays blank. Small
// pictures are enlarged by a whole factor, so that a sheet is about a thousand pixels wide.
Image contact_sheet(const std::vector<SheetRow>& rows, std::int64_t height, std::int64_t width);

}  // namespace lact
