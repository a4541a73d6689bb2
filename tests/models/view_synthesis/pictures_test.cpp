#include "models/view_synthesis/pictures.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "base/check.hpp"

namespace lact {
namespace {

std::array<int, 3> pixel(const Image& image, int x, int y) {
  auto at = (std::size_t(y) * std::size_t(image.width) + std::size_t(x)) * 3;
  return {image.pixels[at], image.pixels[at + 1], image.pixels[at + 2]};
}

TEST(Pictures, ValuesAreClippedAndTruncated) {
  std::vector<float> rgb{0.5f, -3.f, 0.999f, 1.f, 7.f, std::numeric_limits<float>::quiet_NaN()};
  Image image = to_image(rgb, 1, 2);  // red 0.5 -3, green 0.999 1, blue 7 nan
  EXPECT_EQ(pixel(image, 0, 0), (std::array{127, 254, 255}));
  EXPECT_EQ(pixel(image, 1, 0), (std::array{0, 255, 0}));
  EXPECT_THROW(to_image(rgb, 2, 2), Error);
  EXPECT_THROW(to_image({}, 0, 2), Error);
}

TEST(Pictures, SheetIsWideEnoughToSeeAndHoldsEveryPicture) {
  for (std::int64_t side : {8, 64, 128, 200, 256}) {
    auto area = std::size_t(side * side);
    std::vector<float> red(3 * area, 0.f), grey(3 * area, 0.5f);
    std::fill_n(red.begin(), area, 1.f);
    Image one = contact_sheet({{"view 1", red, grey, grey}}, side, side);
    Image two = contact_sheet({{"view 1", red, grey, grey}, {"view 2", red, grey, red}}, side, side);
    EXPECT_GE(one.width, 800);
    EXPECT_LE(one.width, 1200);
    EXPECT_EQ(one.width, two.width);
    EXPECT_GT(two.height, one.height + one.width / 5);
    int middle = one.height * 2 / 3;  // a line through the only row of pictures
    EXPECT_EQ(pixel(one, one.width / 8, middle), (std::array{255, 0, 0}));
    EXPECT_EQ(pixel(one, one.width * 3 / 8, middle), (std::array{127, 127, 127}));
    EXPECT_EQ(pixel(one, one.width * 7 / 8, middle), (std::array{0, 0, 0}));                            // no error
    EXPECT_EQ(pixel(two, one.width * 7 / 8, two.height - one.width / 8), (std::array{255, 255, 255}));  // a large one
  }
}

TEST(Pictures, LabelsChangeOnlyTheirStripAndUnknownLettersAreBlank) {
  std::vector<float> grey(3 * 64 * 64, 0.5f);
  auto sheet = [&](const char* label) { return contact_sheet({{label, grey, grey, grey}}, 64, 64); };
  EXPECT_EQ(sheet("view 7").pixels, sheet("VIEW 7").pixels);
  EXPECT_NE(sheet("view 7").pixels, sheet("view 8").pixels);
  EXPECT_EQ(sheet("").pixels, sheet("\xc3\xa9?").pixels);
  EXPECT_EQ(sheet("").width, sheet(std::string(500, 'W').c_str()).width);
}

TEST(Pictures, BrokenRenderingsAreStillDrawn) {
  std::vector<float> grey(3 * 16 * 16, 0.5f), broken(3 * 16 * 16, std::numeric_limits<float>::quiet_NaN());
  Image sheet = contact_sheet({{"step 3", grey, grey, broken}}, 16, 16);
  EXPECT_EQ(pixel(sheet, sheet.width * 7 / 8, sheet.height * 2 / 3), (std::array{255, 255, 255}));
  EXPECT_THROW(contact_sheet({}, 16, 16), Error);
  EXPECT_THROW(contact_sheet({{"short", grey, grey, std::span(grey).first(7)}}, 16, 16), Error);
}

}  // namespace
}  // namespace lact
