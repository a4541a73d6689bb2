#include "data/views/animation.hpp"

#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>

#include "base/check.hpp"
#include "files/whole_file.hpp"

namespace lact {
namespace {

// Colours are counted in 32x32x32 cells of 8x8x8 values each.
struct Cell {
  int number = 0;
  double count = 0;
  std::array<double, 3> sum{};
};
int cell_of(const std::uint8_t* rgb) { return (rgb[0] >> 3) << 10 | (rgb[1] >> 3) << 5 | rgb[2] >> 3; }

struct Box {  // cells that will share one palette entry
  std::vector<Cell> cells;
  std::array<double, 3> mean{};
  int widest = 0;    // the channel with the largest error
  double error = 0;  // sum of squared differences from the mean along it
};

Box box_of(std::vector<Cell> cells) {
  Box b{std::move(cells)};
  double count = 0;
  for (const Cell& c : b.cells) {
    count += c.count;
    for (std::size_t i = 0; i < 3; ++i) b.mean[i] += c.sum[i];
  }
  for (double& m : b.mean) m /= count;
  for (std::size_t i = 0; i < 3; ++i) {
    double error = 0;
    for (const Cell& c : b.cells) error += c.count * std::pow(c.sum[i] / c.count - b.mean[i], 2);
    if (error > b.error) b.widest = int(i), b.error = error;
  }
  return b;
}

struct Palette {
  std::vector<GifColorType> colours;
  std::vector<GifByteType> entry;  // of each cell
};

// Cuts the box with the largest error at its mean until there are 256 or nothing is left to gain.
Palette choose_palette(const std::vector<Image>& frames) {
  std::vector<Cell> all(1 << 15);
  for (const Image& f : frames)
    for (std::size_t p = 0; p < f.pixels.size(); p += 3) {
      Cell& c = all[std::size_t(cell_of(&f.pixels[p]))];
      ++c.count;
      for (std::size_t i = 0; i < 3; ++i) c.sum[i] += f.pixels[p + i];
    }
  for (std::size_t i = 0; i < all.size(); ++i) all[i].number = int(i);
  std::erase_if(all, [](const Cell& c) { return c.count == 0; });

  std::vector<Box> boxes{box_of(std::move(all))};
  while (boxes.size() < 256) {
    auto worst = std::max_element(boxes.begin(), boxes.end(), [](auto& a, auto& b) { return a.error < b.error; });
    if (worst->cells.size() < 2 || worst->error <= 0) break;
    auto channel = std::size_t(worst->widest);
    auto upper = std::partition(worst->cells.begin(), worst->cells.end(),
                                [&](const Cell& c) { return c.sum[channel] / c.count <= worst->mean[channel]; });
    if (upper == worst->cells.end()) break;  // equal up to rounding
    Box high = box_of({upper, worst->cells.end()});
    *worst = box_of({worst->cells.begin(), upper});
    boxes.push_back(std::move(high));
  }

  Palette palette{{}, std::vector<GifByteType>(1 << 15)};
  for (const Box& b : boxes) {
    for (const Cell& c : b.cells) palette.entry[std::size_t(c.number)] = GifByteType(palette.colours.size());
    palette.colours.push_back({GifByteType(std::lround(b.mean[0])), GifByteType(std::lround(b.mean[1])),
                               GifByteType(std::lround(b.mean[2]))});
  }
  palette.colours.resize(256, GifColorType{0, 0, 0});
  return palette;
}

int append_bytes(GifFileType* gif, const GifByteType* bytes, int count) {
  static_cast<std::string*>(gif->UserData)->append(reinterpret_cast<const char*>(bytes), std::size_t(count));
  return count;
}

struct Close {
  void operator()(GifFileType* gif) const { EGifCloseFile(gif, nullptr); }
};

void ok(int status, const std::string& path) { check(status == GIF_OK, "{} could not be encoded as GIF", path); }

void put_frame(GifFileType* gif, const Image& frame, const Palette& palette, int hundredths, const std::string& path) {
  GraphicsControlBlock control{DISPOSE_DO_NOT, false, hundredths, NO_TRANSPARENT_COLOR};
  std::array<GifByteType, 4> extension{};
  EGifGCBToExtension(&control, extension.data());
  ok(EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, int(extension.size()), extension.data()), path);
  ok(EGifPutImageDesc(gif, 0, 0, frame.width, frame.height, false, nullptr), path);
  std::vector<GifByteType> entries;
  for (std::size_t p = 0; p < frame.pixels.size(); p += 3)
    entries.push_back(palette.entry[std::size_t(cell_of(&frame.pixels[p]))]);
  ok(EGifPutLine(gif, entries.data(), int(entries.size())), path);
}

void put_repeat_for_ever(GifFileType* gif, const std::string& path) {
  constexpr std::array<GifByteType, 3> times = {1, 0, 0};
  ok(EGifPutExtensionLeader(gif, APPLICATION_EXT_FUNC_CODE), path);
  ok(EGifPutExtensionBlock(gif, 11, "NETSCAPE2.0"), path);
  ok(EGifPutExtensionBlock(gif, int(times.size()), times.data()), path);
  ok(EGifPutExtensionTrailer(gif), path);
}

std::string encode(const std::string& path, const std::vector<Image>& frames, double frames_per_second) {
  Palette palette = choose_palette(frames);
  std::string bytes;
  std::unique_ptr<GifFileType, Close> gif(EGifOpen(&bytes, append_bytes, nullptr));
  check(gif != nullptr, "no memory for encoding {}", path);
  EGifSetGifVersion(gif.get(), true);
  std::unique_ptr<ColorMapObject, void (*)(ColorMapObject*)> map(GifMakeMapObject(256, palette.colours.data()),
                                                                 GifFreeMapObject);
  check(map != nullptr, "no memory for encoding {}", path);
  ok(EGifPutScreenDesc(gif.get(), frames[0].width, frames[0].height, 8, 0, map.get()), path);
  put_repeat_for_ever(gif.get(), path);
  auto end_of = [&](std::size_t frame) { return int(std::lround(100 * double(frame) / frames_per_second)); };
  for (std::size_t i = 0; i < frames.size(); ++i)
    put_frame(gif.get(), frames[i], palette, end_of(i + 1) - end_of(i), path);
  ok(EGifCloseFile(gif.release(), nullptr), path);  // writes the last byte
  return bytes;
}

}  // namespace

void write_gif(const std::string& path, const std::vector<Image>& frames, double frames_per_second) {
  check(!frames.empty(), "{} needs at least one frame", path);
  check(frames_per_second > 0 && frames_per_second <= 50, "{}: {} frames per second are not in (0, 50]", path,
        frames_per_second);
  const Image& first = frames[0];
  check(first.width > 0 && first.height > 0 && first.width < 65536 && first.height < 65536,
        "{}: a GIF of {} x {} pixels is not possible", path, first.width, first.height);
  for (const Image& f : frames)
    check(f.channels == 3 && f.width == first.width && f.height == first.height &&
              f.pixels.size() == std::size_t(f.width) * std::size_t(f.height) * 3,
          "{}: every frame must be RGB of {} x {} pixels", path, first.width, first.height);
  write_whole(path, encode(path, frames, frames_per_second));
}

}  // namespace lact
