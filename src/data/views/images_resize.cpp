#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.hpp"
#include "data/views/images.hpp"

namespace lact {
namespace {

constexpr int fraction_bits = 22;  // of a weight; 8-bit samples times weights then fit 32 bits
constexpr double lobes = 3;

double sinc(double u) {
  if (u == 0) return 1;
  const double x = u * std::numbers::pi;
  return std::sin(x) / x;
}
double lanczos(double u) { return -lobes <= u && u < lobes ? sinc(u) * sinc(u / lobes) : 0; }

struct Taps {  // which stored samples make one resized sample
  int first = 0;
  std::vector<std::int32_t> weights;
};

// Taps of the resized samples [begin, end) when `from` samples become `to`.
std::vector<Taps> taps(int from, int to, int begin, int end) {
  const double step = double(from) / to, stretch = std::max(step, 1.0), support = lobes * stretch;
  std::vector<Taps> all;
  for (int o = begin; o < end; ++o) {
    const double centre = (o + 0.5) * step;
    const int first = std::max(int(centre - support + 0.5), 0), last = std::min(int(centre + support + 0.5), from);
    std::vector<double> w;
    double sum = 0;
    for (int t = first; t < last; ++t) {
      w.push_back(lanczos((t - centre + 0.5) * (1 / stretch)));
      sum += w.back();
    }
    Taps one{first, {}};
    for (double x : w) {
      const double fixed = x / sum * (1 << fraction_bits);
      one.weights.push_back(std::int32_t(fixed + std::copysign(0.5, fixed)));
    }
    all.push_back(std::move(one));
  }
  return all;
}

std::uint8_t to_sample(std::int32_t fixed) { return std::uint8_t(std::clamp(fixed >> fraction_bits, 0, 255)); }

template <int channels>
Image horizontal_pass(const Image& in, const std::vector<Taps>& columns) {
  Image out{int(columns.size()), in.height, channels, {}};
  out.pixels.resize(std::size_t(out.width) * std::size_t(out.height) * channels);
  std::uint8_t* to = out.pixels.data();
  for (int y = 0; y < in.height; ++y) {
    const std::uint8_t* row = in.pixels.data() + std::size_t(y) * std::size_t(in.width) * channels;
    for (const Taps& column : columns) {
      std::int32_t sum[channels];
      std::fill(sum, sum + channels, 1 << (fraction_bits - 1));
      const std::uint8_t* from = row + std::size_t(column.first) * channels;
      for (std::int32_t weight : column.weights)
        for (int c = 0; c < channels; ++c) sum[c] += weight * *from++;
      for (std::int32_t s : sum) *to++ = to_sample(s);
    }
  }
  return out;
}

Image vertical_pass(const Image& in, const std::vector<Taps>& rows) {
  Image out{in.width, int(rows.size()), in.channels, {}};
  const std::size_t length = std::size_t(in.width) * std::size_t(in.channels);
  out.pixels.resize(length * rows.size());
  std::vector<std::int32_t> sum(length);
  std::uint8_t* to = out.pixels.data();
  for (const Taps& row : rows) {
    std::fill(sum.begin(), sum.end(), 1 << (fraction_bits - 1));
    const std::uint8_t* from = in.pixels.data() + std::size_t(row.first) * length;
    for (std::int32_t weight : row.weights) {
      for (std::size_t i = 0; i < length; ++i) sum[i] += weight * from[i];
      from += length;
    }
    for (std::int32_t s : sum) *to++ = to_sample(s);
  }
  return out;
}

int over_255(int t) {  // t / 255, rounded, for 0 <= t <= 255 * 255
  t += 128;
  return ((t >> 8) + t) >> 8;
}

Image with_colours(Image image, int (*change)(int colour, int alpha)) {  // of an RGBA picture
  for (std::size_t i = 0; i < image.pixels.size(); i += 4)
    for (std::size_t c = i; c < i + 3; ++c)
      image.pixels[c] = std::uint8_t(change(image.pixels[c], image.pixels[i + 3]));
  return image;
}
int premultiplied(int colour, int alpha) { return over_255(colour * alpha); }
int unmultiplied(int colour, int alpha) {
  return alpha == 0 || alpha == 255 ? colour : std::min(255, 255 * colour / alpha);
}

Image on_white(const Image& rgba) {
  Image out{rgba.width, rgba.height, 3, {}};
  out.pixels.reserve(rgba.pixels.size() / 4 * 3);
  for (std::size_t i = 0; i < rgba.pixels.size(); i += 4) {
    const int alpha = rgba.pixels[i + 3];
    for (std::size_t c = i; c < i + 3; ++c)
      out.pixels.push_back(std::uint8_t(over_255(rgba.pixels[c] * alpha + 255 * (255 - alpha))));
  }
  return out;
}

Image cropped(Image in, const Fit& f) {
  if (f.width == in.width && f.height == in.height) return in;
  Image out{f.width, f.height, in.channels, {}};
  const std::size_t sample = std::size_t(in.channels), length = std::size_t(f.width) * sample;
  for (int y = f.top; y < f.top + f.height; ++y) {
    auto from =
        in.pixels.begin() + std::ptrdiff_t((std::size_t(y) * std::size_t(in.width) + std::size_t(f.left)) * sample);
    out.pixels.insert(out.pixels.end(), from, from + std::ptrdiff_t(length));
  }
  return out;
}

Image wide_as_asked(Image image, const Fit& f) {
  if (f.scaled_width == image.width)
    return cropped(std::move(image), {1, image.width, image.height, f.left, 0, f.width, image.height});
  const auto columns = taps(image.width, f.scaled_width, f.left, f.left + f.width);
  return image.channels == 4 ? horizontal_pass<4>(image, columns) : horizontal_pass<3>(image, columns);
}
Image high_as_asked(Image image, const Fit& f) {
  if (f.scaled_height == image.height)
    return cropped(std::move(image), {1, image.width, image.height, 0, f.top, image.width, f.height});
  return vertical_pass(image, taps(image.height, f.scaled_height, f.top, f.top + f.height));
}

// The crop of the resized picture; nothing outside the crop is computed. A large picture is never there twice.
Image resized_part(Image image, const Fit& f) {
  if (f.scaled_width == image.width && f.scaled_height == image.height) return cropped(std::move(image), f);
  const bool alpha = image.channels == 4;
  // Each pass rounds to 8 bits, so their order shows. Measured on Pillow 13.0.0: columns first only where the height
  // shrinks by more than twice what the width does.
  const bool tall =
      f.scaled_height < image.height && image.height - f.scaled_height > 2 * (image.width - f.scaled_width);
  Image now = alpha ? with_colours(std::move(image), premultiplied) : std::move(image);
  now = tall ? wide_as_asked(high_as_asked(std::move(now), f), f) : high_as_asked(wide_as_asked(std::move(now), f), f);
  return alpha ? with_colours(std::move(now), unmultiplied) : now;
}

}  // namespace

Fit fit(ImageSize stored, int height, int width) {
  check(stored.width > 0 && stored.height > 0 && height > 0 && width > 0, "a picture of {} x {} cannot fill {} x {}",
        stored.width, stored.height, width, height);
  check(height <= largest_fit && width <= largest_fit, "pictures of {} x {} are larger than {} on a side", width,
        height, largest_fit);
  Fit f;
  f.scale = std::max(double(width) / stored.width, double(height) / stored.height);
  f.scaled_width = int(std::nearbyint(stored.width * f.scale));
  f.scaled_height = int(std::nearbyint(stored.height * f.scale));
  f.left = (f.scaled_width - width) / 2, f.top = (f.scaled_height - height) / 2;
  f.width = width, f.height = height;
  return f;
}

Image resize(const Image& image, int height, int width) {
  check(height > 0 && width > 0, "a picture cannot become {} x {}", width, height);
  return resized_part(image, {1, width, height, 0, 0, width, height});
}

Image resize_and_crop(Image image, int height, int width) {
  const Fit f = fit({image.width, image.height}, height, width);
  Image part = resized_part(std::move(image), f);
  return part.channels == 4 ? on_white(part) : part;
}

}  // namespace lact
