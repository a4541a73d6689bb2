#include "models/view_synthesis/pictures.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.hpp"
#include "models/view_synthesis/metrics.hpp"

namespace lact {
namespace {

using Colour = std::array<std::uint8_t, 3>;
constexpr Colour paper{250, 250, 250}, ink{40, 40, 40}, line{205, 205, 205};
constexpr int gap = 8, letter = 2, strip = 7 * letter + 12;  // pixels: between pictures, a letter's square, a text line

// Seven rows of five squares, the leftmost is the highest bit; A-Z, 0-9, ". - +".
constexpr std::array<std::array<std::uint8_t, 7>, 39> font = {{
    {14, 17, 17, 31, 17, 17, 17}, {30, 17, 17, 30, 17, 17, 30}, {14, 17, 16, 16, 16, 17, 14},
    {30, 17, 17, 17, 17, 17, 30}, {31, 16, 16, 30, 16, 16, 31}, {31, 16, 16, 30, 16, 16, 16},
    {14, 17, 16, 23, 17, 17, 15}, {17, 17, 17, 31, 17, 17, 17}, {14, 4, 4, 4, 4, 4, 14},
    {7, 2, 2, 2, 2, 18, 12},      {17, 18, 20, 24, 20, 18, 17}, {16, 16, 16, 16, 16, 16, 31},
    {17, 27, 21, 21, 17, 17, 17}, {17, 25, 21, 19, 17, 17, 17}, {14, 17, 17, 17, 17, 17, 14},
    {30, 17, 17, 30, 16, 16, 16}, {14, 17, 17, 17, 21, 18, 13}, {30, 17, 17, 30, 20, 18, 17},
    {15, 16, 16, 14, 1, 1, 30},   {31, 4, 4, 4, 4, 4, 4},       {17, 17, 17, 17, 17, 17, 14},
    {17, 17, 17, 17, 17, 10, 4},  {17, 17, 17, 21, 21, 21, 10}, {17, 17, 10, 4, 10, 17, 17},
    {17, 17, 10, 4, 4, 4, 4},     {31, 1, 2, 4, 8, 16, 31},     {14, 17, 19, 21, 25, 17, 14},
    {4, 12, 4, 4, 4, 4, 14},      {14, 17, 1, 6, 8, 16, 31},    {14, 17, 1, 6, 1, 17, 14},
    {2, 6, 10, 18, 31, 2, 2},     {31, 16, 30, 1, 1, 17, 14},   {6, 8, 16, 30, 17, 17, 14},
    {31, 1, 2, 4, 8, 8, 8},       {14, 17, 17, 14, 17, 17, 14}, {14, 17, 17, 15, 1, 2, 12},
    {0, 0, 0, 0, 0, 12, 12},      {0, 0, 0, 31, 0, 0, 0},       {0, 4, 4, 31, 4, 4, 0},
}};
constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-+";

void fill_box(Image& image, int x, int y, int width, int height, const Colour& c) {
  for (int j = std::max(y, 0); j < std::min(y + height, image.height); ++j)
    for (int i = std::max(x, 0); i < std::min(x + width, image.width); ++i)
      std::copy(c.begin(), c.end(), image.pixels.begin() + (std::ptrdiff_t(j) * image.width + i) * 3);
}

void write_label(Image& image, int x, int y, std::string_view text) {
  for (char c : text) {
    auto at = letters.find(c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c);
    for (int square = 0; at != letters.npos && square < 35; ++square)
      if (font[at][std::size_t(square / 5)] >> (4 - square % 5) & 1)
        fill_box(image, x + square % 5 * letter, y + square / 5 * letter, letter, letter, ink);
    x += 6 * letter;
  }
}

void paste(Image& sheet, int x, int y, const Image& picture, int scale) {
  fill_box(sheet, x - 1, y - 1, picture.width * scale + 2, picture.height * scale + 2, line);
  for (int j = 0; j < picture.height; ++j)
    for (int i = 0; i < picture.width; ++i) {
      const std::uint8_t* p = &picture.pixels[(std::size_t(j) * std::size_t(picture.width) + std::size_t(i)) * 3];
      fill_box(sheet, x + i * scale, y + j * scale, scale, scale, {p[0], p[1], p[2]});
    }
}

Colour heat(double t) {  // t >= 0: black, blue, red, yellow, white
  static constexpr std::array<std::array<double, 3>, 5> stops = {
      {{0, 0, 0}, {50, 20, 140}, {210, 45, 70}, {250, 190, 40}, {255, 255, 255}}};
  double x = 4 * (t < 1 ? t : 1);  // NaN is white
  auto below = std::min<std::size_t>(3, std::size_t(x));
  Colour c{};
  for (std::size_t i = 0; i < 3; ++i)
    c[i] = std::uint8_t(std::lround(std::lerp(stops[below][i], stops[below + 1][i], x - double(below))));
  return c;
}

Image error_image(std::span<const float> a, std::span<const float> b, std::int64_t height, std::int64_t width) {
  auto area = std::size_t(height * width);
  Image image{int(width), int(height), 3, {}};
  for (std::size_t p = 0; p < area; ++p) {
    double difference = 0;
    for (std::size_t channel = 0; channel < 3; ++channel)
      difference += std::fabs(double(a[channel * area + p]) - b[channel * area + p]) / 3;
    Colour c = heat(4 * difference);
    image.pixels.insert(image.pixels.end(), c.begin(), c.end());
  }
  return image;
}

}  // namespace

Image to_image(std::span<const float> rgb, std::int64_t height, std::int64_t width) {
  check(height > 0 && width > 0 && rgb.size() == 3 * std::size_t(height) * std::size_t(width),
        "{} numbers are not a picture of 3 x {} x {}", rgb.size(), height, width);
  auto area = std::size_t(height * width);
  Image image{int(width), int(height), 3, std::vector<std::uint8_t>(3 * area)};
  for (std::size_t p = 0; p < area; ++p)
    for (std::size_t channel = 0; channel < 3; ++channel) {
      float v = 255 * rgb[channel * area + p];
      image.pixels[3 * p + channel] = v > 0 ? std::uint8_t(std::min(v, 255.f)) : 0;  // NaN becomes black
    }
  return image;
}

Image contact_sheet(const std::vector<SheetRow>& rows, std::int64_t height, std::int64_t width) {
  check(!rows.empty(), "a contact sheet needs at least one row");
  int scale = std::max(1, int(std::lround(1024.0 / (4 * double(width)))));
  int across = int(width) * scale + gap, down = int(height) * scale + strip + gap;
  Image sheet{4 * across + gap, strip + int(rows.size()) * down, 3, {}};
  sheet.pixels.resize(std::size_t(sheet.width) * std::size_t(sheet.height) * 3);
  fill_box(sheet, 0, 0, sheet.width, sheet.height, paper);
  auto left = [&](int column) { return gap + column * across; };
  constexpr std::array<std::string_view, 4> titles = {"input", "target", "prediction", "error x4"};
  for (int column = 0; column < 4; ++column) write_label(sheet, left(column), gap, titles[std::size_t(column)]);
  int y = strip;
  for (const SheetRow& r : rows) {
    const Image pictures[] = {to_image(r.input, height, width), to_image(r.target, height, width),
                              to_image(r.prediction, height, width),
                              error_image(r.target, r.prediction, height, width)};
    write_label(sheet, left(0), y + gap, r.label);
    write_label(sheet, left(2), y + gap, sentence("{:.2f} dB", psnr(mse(r.target, r.prediction))));
    for (int column = 0; column < 4; ++column) paste(sheet, left(column), y + strip, pictures[column], scale);
    y += down;
  }
  return sheet;
}

}  // namespace lact
