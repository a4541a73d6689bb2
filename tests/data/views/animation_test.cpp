#include "data/views/animation.hpp"

#include <gif_lib.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/check.hpp"

namespace lact {
namespace {

namespace fs = std::filesystem;

struct Close {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, Close>;

Gif read_gif(const std::string& path) {
  Gif gif(DGifOpenFileName(path.c_str(), nullptr));
  if (gif && DGifSlurp(gif.get()) != GIF_OK) gif.reset();
  return gif;
}

GifColorType colour(const Gif& gif, int frame, int x, int y) {
  return gif->SColorMap->Colors[gif->SavedImages[frame].RasterBits[y * gif->SWidth + x]];
}

// A dark disc that walks over a coloured slope.
Image walking_disc(int width, int height, int step) {
  Image image{width, height, 3, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      bool inside = std::hypot(x - 5 - 3 * step, y - height / 2) < 5;
      for (int v : {255 * x / width, 255 * y / height, 128}) image.pixels.push_back(std::uint8_t(inside ? 20 : v));
    }
  return image;
}

class Animation : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "lact-gif-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  fs::path folder_;
};

TEST_F(Animation, DecodesToTheSameFramesNearlyInColour) {
  std::vector<Image> frames;
  for (int i = 0; i < 7; ++i) frames.push_back(walking_disc(61, 33, i));
  write_gif(path("disc.gif"), frames, 10);
  Gif gif = read_gif(path("disc.gif"));
  ASSERT_NE(gif, nullptr);
  ASSERT_EQ(gif->ImageCount, 7);
  ASSERT_EQ(gif->SWidth, 61);
  ASSERT_EQ(gif->SHeight, 33);
  double error = 0;
  for (int i = 0; i < 7; ++i)
    for (int y = 0; y < 33; ++y)
      for (int x = 0; x < 61; ++x) {
        const std::uint8_t* p = &frames[std::size_t(i)].pixels[std::size_t(y * 61 + x) * 3];
        GifColorType c = colour(gif, i, x, y);
        error += std::pow(p[0] - c.Red, 2) + std::pow(p[1] - c.Green, 2) + std::pow(p[2] - c.Blue, 2);
      }
  // The slope fills a square of colours; 256 equal tiles of 16x16 values would leave 21.3 for each of red and green.
  EXPECT_LT(error / (7 * 61 * 33), 2 * 21.3);
}

TEST_F(Animation, FewColoursComeBackExactly) {
  Image image{2, 2, 3, {255, 255, 255, 0, 0, 0, 250, 10, 130, 1, 200, 77}};
  write_gif(path("four.gif"), {image}, 1);
  Gif gif = read_gif(path("four.gif"));
  ASSERT_NE(gif, nullptr);
  for (int p = 0; p < 4; ++p) {
    GifColorType c = colour(gif, 0, p % 2, p / 2);
    EXPECT_EQ(c.Red, image.pixels[std::size_t(p) * 3]);
    EXPECT_EQ(c.Green, image.pixels[std::size_t(p) * 3 + 1]);
    EXPECT_EQ(c.Blue, image.pixels[std::size_t(p) * 3 + 2]);
  }
}

TEST_F(Animation, KeepsTheRateInTheMeanAndRepeatsForEver) {
  write_gif(path("rate.gif"), std::vector<Image>(30, walking_disc(9, 5, 0)), 30);
  Gif gif = read_gif(path("rate.gif"));
  ASSERT_NE(gif, nullptr);
  int hundredths = 0;
  for (int i = 0; i < 30; ++i) {
    GraphicsControlBlock control;
    ASSERT_EQ(DGifSavedExtensionToGCB(gif.get(), i, &control), GIF_OK);
    EXPECT_TRUE(control.DelayTime == 3 || control.DelayTime == 4);
    hundredths += control.DelayTime;
  }
  EXPECT_EQ(hundredths, 100);
  std::ifstream file(path("rate.gif"), std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(bytes.find(std::string("NETSCAPE2.0\x03\x01\x00\x00\x00", 16)), bytes.npos);
}

TEST_F(Animation, RefusesWhatAGifCannotHold) {
  Image a = walking_disc(8, 8, 0), b = walking_disc(8, 9, 0), rgba{1, 1, 4, {0, 0, 0, 0}}, empty{0, 0, 3, {}};
  EXPECT_THROW(write_gif(path("x.gif"), {}, 10), Error);
  EXPECT_THROW(write_gif(path("x.gif"), {a, b}, 10), Error);
  EXPECT_THROW(write_gif(path("x.gif"), {rgba}, 10), Error);
  EXPECT_THROW(write_gif(path("x.gif"), {empty}, 10), Error);
  EXPECT_THROW(write_gif(path("x.gif"), {a}, 0), Error);
  EXPECT_THROW(write_gif(path("x.gif"), {a}, 51), Error);
  EXPECT_THROW(write_gif(path("absent/x.gif"), {a}, 10), Error);
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace lact
