// Charts become marks within their frame, and marks become files that viewers open.
#include "run/chart.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "files/whole_file.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

Chart two_curves() {
  return {"loss <by> position",
          {"tokens", true},
          {"loss, nats"},
          {{"first", {16, 32, 1024}, {5, 4, 3}}, {"second & last", {16, 1024}, {5, 4.5}}}};
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++n;
  return n;
}

TEST(Chart, DoublingsAreEquallyFarApart) {
  const Drawing d = drawn({two_curves()});
  ASSERT_EQ(d.dots.size(), 5u);
  const double octave = d.dots[1].at.first - d.dots[0].at.first;  // 16 to 32
  EXPECT_NEAR(d.dots[2].at.first - d.dots[1].at.first, 5 * octave, 1e-9);
  EXPECT_NEAR(d.dots[1].at.second - d.dots[0].at.second, d.dots[2].at.second - d.dots[1].at.second, 1e-9);
  EXPECT_LT(d.dots[2].at.second, d.height);
  EXPECT_GT(d.dots[2].at.second, d.dots[0].at.second) << "less is lower";
}

TEST(Chart, EveryMarkLiesInsideThePicture) {
  Chart many = two_curves();
  for (int i = 0; i < 40; ++i)
    many.curves.push_back({"a curve with a long name, number " + std::to_string(i), {1, 3}, {double(i), 7}});
  const Drawing d = drawn({two_curves(), many});
  for (const Stroke& s : d.strokes)
    for (const auto& [x, y] : s.places) {
      EXPECT_TRUE(x >= 0 && x <= d.width);
      EXPECT_TRUE(y >= 0 && y <= d.height);
    }
  for (const Label& w : d.labels) EXPECT_TRUE(w.at.second >= 0 && w.at.second <= d.height) << w.text;
}

TEST(Chart, CurvesDifferInColourAndThenInDashes) {
  Chart many{"", {"x"}, {"y"}, {}};
  for (int i = 0; i < 24; ++i) many.curves.push_back({"c", {0, 1}, {0, double(i)}});
  std::vector<std::pair<std::string, std::array<double, 2>>> looks;
  for (const Stroke& s : drawn({many}).strokes)
    if (s.width == 2) looks.emplace_back(s.colour, s.dash);
  ASSERT_EQ(looks.size(), 48u) << "each in the legend and in the plot";
  std::ranges::sort(looks);
  looks.erase(std::unique(looks.begin(), looks.end()), looks.end());
  EXPECT_EQ(looks.size(), 24u);
}

TEST(Chart, WhatHasNoPlaceIsLeftOut) {
  const double nan = std::nan(""), infinite = std::numeric_limits<double>::infinity();
  const Drawing d =
      drawn({{"", {"x", true}, {"y"}, {{"c", {0, -1, 2, 4, 8}, {1, 1, nan, infinite, 3}}, {"none", {}, {}}}}});
  EXPECT_EQ(d.dots.size(), 1u);
  const std::string text = svg_text(d, true);
  EXPECT_EQ(text.find("nan"), std::string::npos);
  EXPECT_EQ(text.find("inf"), std::string::npos);
}

TEST(Chart, RefusesCurvesOfUnequalLengths) { EXPECT_THROW(drawn({{"", {"x"}, {"y"}, {{"c", {1, 2}, {1}}}}}), Error); }

TEST(Chart, IsAPictureInBothForms) {
  const TemporaryFolder folder;
  write_picture(folder / "a.svg", {two_curves()});
  const std::string svg = read_text(folder / "a.svg", 1 << 20), png = read_text(folder / "a.png", 1 << 24);
  EXPECT_TRUE(svg.starts_with("<svg xmlns="));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_NE(svg.find("loss &lt;by&gt; position"), std::string::npos);
  EXPECT_NE(svg.find("second &amp; last"), std::string::npos);
  EXPECT_EQ(count(svg, "<circle"), 5u);
  ASSERT_TRUE(png.starts_with("\x89PNG\r\n\x1a\n"));
  const auto side = [&](std::size_t at) {
    return (std::uint8_t(png[at]) << 24) | (std::uint8_t(png[at + 1]) << 16) | (std::uint8_t(png[at + 2]) << 8) |
           std::uint8_t(png[at + 3]);
  };
  const Drawing d = drawn({two_curves()});
  EXPECT_EQ(side(16), int(2 * d.width));
  EXPECT_EQ(side(20), int(std::ceil(2 * d.height)));
  EXPECT_THROW(write_picture(folder / "a.gif", {two_curves()}), Error);
  EXPECT_THROW(write_picture(folder / "no/folder/a.svg", {two_curves()}), Error);
}

TEST(Chart, LabelsAreDrawnWithoutFontsOfTheMachine) {
  Drawing d{.width = 200, .height = 40};
  const std::string empty = png_bytes(d);
  d.labels.push_back({{10, 20}, Label::begin, "words"});
  const std::string once = png_bytes(d);
  EXPECT_NE(once, empty);
  EXPECT_EQ(png_bytes(d), once);
}

TEST(Chart, LiesOverOthersOfItsTitle) {
  std::vector<Chart> all;
  Chart one = two_curves();
  one.curves.resize(1);
  lay_over(all, {one}, "run a");
  lay_over(all, {two_curves(), {"other", {"x"}, {"y"}, {{"c", {1}, {1}}}}}, "run b");
  ASSERT_EQ(all.size(), 2u);
  ASSERT_EQ(all[0].curves.size(), 3u);
  EXPECT_EQ(all[0].curves[0].name, "run a");
  EXPECT_EQ(all[0].curves[1].name, "run b, first");
  EXPECT_EQ(all[1].curves[0].name, "run b");
}

TEST(Chart, ThinnedKeepsTheMean) {
  Curve c{"c", {}, {}};
  for (int i = 0; i < 1000; ++i) c.x.push_back(i), c.y.push_back(i % 10);
  const Curve few = thinned(c, 100);
  ASSERT_EQ(few.x.size(), 100u);
  for (const double y : few.y) EXPECT_DOUBLE_EQ(y, 4.5);
  EXPECT_EQ(thinned(c, 2000).x.size(), 1000u);
  EXPECT_EQ(thinned({}, 3).x.size(), 0u);
}

}  // namespace
}  // namespace lact
