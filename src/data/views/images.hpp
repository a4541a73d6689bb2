// Pictures on disk and in memory: 8 bits a sample whatever the file held, resized with the arithmetic of the published
// data path.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "files/whole_file.hpp"

namespace lact {

struct Image {                              // row-major, samples of a pixel side by side
  int width = 0, height = 0, channels = 0;  // 3 = RGB, 4 = RGBA
  std::vector<std::uint8_t> pixels;         // height x width x channels
};

struct ImageSize {
  int width = 0, height = 0;
};

// The bytes of a file are no whole picture, whoever reads them and whenever. Any other error, such as of the system or
// of memory, says nothing about them.
class DamagedPicture : public Error {
 public:
  using Error::Error;
};

FileReader open_picture(const std::string& path);  // with an error of its own where nothing is there

// PNG and JPEG, told apart by content. Grey becomes RGB; an alpha channel, or a palette with transparency, gives RGBA;
// 16-bit samples are scaled to 8 with rounding; one transparent colour of a grey or RGB PNG is ignored, as are gamma
// and orientation tags. A file that is empty, truncated or not a picture is a DamagedPicture. One that is missing,
// CMYK, larger than 65535 on a side or 2^28 pixels, or that would take more memory than 256 MiB and 100 times its bytes
// is another Error. Both name it.
Image decode_image(const FileReader& file);
Image decode_image(const std::string& path);
// From a few bytes of header and end; the same errors, except damage in the middle. A file that was cut off is found by
// how it ends.
ImageSize image_size(const FileReader& file);
ImageSize image_size(const std::string& path);
// How a JPEG says that it is to be turned: 1 to 8 as EXIF counts, 5 to 8 swap width and height; 1 where it says
// nothing.
int exif_orientation(const std::string& path);
void write_png(const std::string& path, const Image& image);

inline constexpr int largest_fit = 16384;  // side that fit() gives; keeps the long side of a thin picture within an int
// How a picture fills height x width: scaled by one factor until it covers, then cropped around its centre.
struct Fit {
  double scale = 1;                              // nominal; this, not the rounded size, also scales intrinsics
  int scaled_width = 0, scaled_height = 0;       // rounded half to even
  int left = 0, top = 0, width = 0, height = 0;  // the crop, in scaled pixels
};
Fit fit(ImageSize stored, int height, int width);

// Lanczos over three lobes in 8-bit fixed point, the same bits as Pillow 13: alpha is premultiplied around the two
// passes, and a picture that keeps its size is returned untouched.
Image resize(const Image& image, int height, int width);
// RGB, scaled and cropped by fit(); RGBA is laid on white afterwards.
Image resize_and_crop(Image image, int height, int width);

}  // namespace lact
