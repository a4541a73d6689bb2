#include "data/views/images.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "data/views/cameras.hpp"
#include "files/json.hpp"
#include "files/safetensors.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_png.hpp"

namespace lact {
namespace {

using namespace std::string_literals;
using Bytes = std::vector<std::uint8_t>;

// 4 x 3 pictures by Pillow 13.0.0, quality 95: RGB (200, 40, 90), grey 77 and CMYK (1, 2, 3, 4).
std::string from_hex(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) out += char(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}
const std::string luma_table =
    "ffdb0043000201010101010201010102020202020403020202020504040304060506060605060606070908060709070606080b08090a0a0a0a"
    "0a06"
    "080b0c0b0a0c090a0a0a";
const std::string rgb_jpeg = from_hex("ffd8ffe000104a46494600010100000100010000" + luma_table +
                                      "ffdb004301020202020202050303050a0706070a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
                                      "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
                                      "0a0a0a0a0a0a0a0a0a0affc00011080003000403011100021101031101ffc4001400010000000000"
                                      "0000000000000000000008ffc4001410010000"
                                      "0000000000000000000000000000ffc4001501010100000000000000000000000000000409ffc400"
                                      "14110100000000000000000000000000000000"
                                      "ffda000c03010002110311003f003b8ea60fffd9");
const std::string grey_jpeg = from_hex("ffd8ffe000104a46494600010100000100010000" + luma_table +
                                       "ffc0000b080003000401011100ffc40014000100000000000000000000000000000008ffc400141"
                                       "00100000000000000000000000000000000ffda"
                                       "0008010100003f0019bfffd9");
const std::string cmyk_jpeg = from_hex("ffd8ffee000e41646f626500640000000000" + luma_table +
                                       "ffc000140800030004044311004d11005911004b1100ffc40014000100000000000000000000000"
                                       "000000009ffc400141001000000000000000000"
                                       "00000000000000ffda000e0443004d0059004b00003f007e0fa1f03d8fffd9");

Image decode(const std::string& bytes) {
  TemporaryFolder folder;
  folder.write("picture", bytes);
  const Image image = decode_image(folder / "picture");
  const ImageSize size = image_size(folder / "picture");
  EXPECT_EQ(size.width, image.width);
  EXPECT_EQ(size.height, image.height);
  return image;
}

std::string error_for(const std::string& bytes, bool header_only = false) {
  TemporaryFolder folder;
  folder.write("p.png", bytes);
  const std::string path = folder / "p.png";
  std::string e = sentence_of([&] { header_only ? void(image_size(path)) : void(decode_image(path)); });
  EXPECT_EQ(e.rfind(path + ": ", 0), 0u) << e;
  return e.substr(std::min(e.size(), path.size() + 2));
}

TEST(Png, EverySixteenBitSampleIsRounded) {
  TinyPng png{.width = 256, .height = 256, .depth = 16, .colour = 0};
  for (int y = 0; y < 256; ++y) {
    std::string row;
    for (int x = 0; x < 256; ++x) row += {char(y), char(x)};
    png.rows.push_back(row);
  }
  const Image image = decode(png.bytes());
  ASSERT_EQ(image.channels, 3);
  for (std::size_t v = 0; v < 65536; ++v)
    for (std::size_t c = 0; c < 3; ++c) ASSERT_EQ(image.pixels[3 * v + c], (v * 255 + 32767) / 65535) << v;
}

TEST(Png, GreyOfEveryDepthSpansBlackToWhite) {
  EXPECT_EQ(decode(TinyPng{.width = 3, .height = 1, .depth = 1, .colour = 0, .rows = {"\xa0"}}.bytes()).pixels,
            (Bytes{255, 255, 255, 0, 0, 0, 255, 255, 255}));
  EXPECT_EQ(decode(TinyPng{.width = 2, .height = 1, .depth = 2, .colour = 0, .rows = {"\x60"}}.bytes()).pixels,
            (Bytes{85, 85, 85, 170, 170, 170}));
  EXPECT_EQ(decode(TinyPng{.width = 2, .height = 1, .depth = 4, .colour = 0, .rows = {"\x2f"}}.bytes()).pixels,
            (Bytes{34, 34, 34, 255, 255, 255}));
  EXPECT_EQ(decode(TinyPng{.width = 1, .height = 2, .depth = 8, .colour = 0, .rows = {"\x07", "\xf9"}}.bytes()).pixels,
            (Bytes{7, 7, 7, 249, 249, 249}));
}

TEST(Png, AlphaAndTransparentPalettesGiveFourChannels) {
  const Image grey =
      decode(TinyPng{.width = 2, .height = 1, .depth = 8, .colour = 4, .rows = {"\x10\x20\x30\x40"}}.bytes());
  EXPECT_EQ(grey.pixels, (Bytes{16, 16, 16, 32, 48, 48, 48, 64}));
  const std::string palette = "\x01\x02\x03\x04\x05\x06\x07\x08\x09";
  const Image plain =
      decode(TinyPng{.width = 3, .height = 1, .depth = 2, .colour = 3, .rows = {"\x18"}, .palette = palette}.bytes());
  EXPECT_EQ(plain.pixels, (Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9}));
  const Image some = decode(TinyPng{
      .width = 3, .height = 1, .depth = 2, .colour = 3, .rows = {"\x18"}, .palette = palette, .transparency = "\x80"}
                                .bytes());
  EXPECT_EQ(some.pixels, (Bytes{1, 2, 3, 128, 4, 5, 6, 255, 7, 8, 9, 255}));
  const Image deep = decode(
      TinyPng{.width = 1, .height = 1, .depth = 16, .colour = 6, .rows = {"\xff\xff\x80\x80\x01\x01\x7f\xff"}}.bytes());
  EXPECT_EQ(deep.pixels, (Bytes{255, 128, 1, 127}));
}

TEST(Png, OneTransparentColourIsIgnored) {
  const std::string white(6, '\xff');
  const Image image = decode(TinyPng{.width = 1, .height = 1, .rows = {"\xff\xff\xff"}, .transparency = white}.bytes());
  EXPECT_EQ(image.channels, 3);
}

TEST(Png, InterlacedEqualsPlain) {
  TinyPng plain{.width = 9, .height = 5}, laced{.width = 9, .height = 5, .interlaced = true};
  auto pixel = [](std::uint32_t x, std::uint32_t y) { return std::string{char(x * 20), char(y * 30), char(x * y)}; };
  auto rows = [&](TinyPng& png, std::uint32_t x0, std::uint32_t dx, std::uint32_t y0, std::uint32_t dy) {
    for (std::uint32_t y = y0; y < png.height; y += dy) {
      std::string row;
      for (std::uint32_t x = x0; x < png.width; x += dx) row += pixel(x, y);
      if (!row.empty()) png.rows.push_back(row);
    }
  };
  rows(plain, 0, 1, 0, 1);
  constexpr std::uint32_t passes[7][4] = {{0, 8, 0, 8}, {4, 8, 0, 8}, {0, 4, 4, 8}, {2, 4, 0, 4},
                                          {0, 2, 2, 4}, {1, 2, 0, 2}, {0, 1, 1, 2}};  // PNG specification, 8.2
  for (const auto& p : passes) rows(laced, p[0], p[1], p[2], p[3]);
  EXPECT_EQ(decode(laced.bytes()).pixels, decode(plain.bytes()).pixels);
}

TEST(Jpeg, ColourAndGrey) {
  const Image rgb = decode(rgb_jpeg), grey = decode(grey_jpeg);
  ASSERT_EQ(rgb.pixels.size(), 36u);
  for (std::size_t i = 0; i < 36; ++i)
    EXPECT_NEAR(rgb.pixels[i], (Bytes{200, 40, 90})[i % 3], 2);  // quantisation of 3 coefficients
  EXPECT_EQ(grey.pixels, Bytes(36, 77));
}

TEST(Jpeg, StrayBytesBetweenMarkersAreHarmless) {  // many cameras leave some
  EXPECT_EQ(decode(rgb_jpeg.substr(0, 20) + "\1\2" + rgb_jpeg.substr(20)).pixels, decode(rgb_jpeg).pixels);
}

TEST(Jpeg, HeaderBehindALongComment) {
  std::string comments;
  for (int i = 0; i < 3; ++i) comments += "\xff\xfe\x7f\xff" + std::string(0x7fff - 2, 'x');
  EXPECT_EQ(decode(rgb_jpeg.substr(0, 2) + comments + rgb_jpeg.substr(2)).pixels, decode(rgb_jpeg).pixels);
}

TEST(Picture, BadFilesAreNamed) {
  TemporaryFolder folder;
  EXPECT_EQ(sentence_of([&] { decode_image(folder / "none.png"); }), folder / "none.png: no such picture");
  EXPECT_EQ(sentence_of([&] { image_size(folder.path()); }), folder.path() + ": is not a file");
  for (bool header_only : {true, false}) {
    EXPECT_EQ(error_for("", header_only), "the file is empty");
    EXPECT_EQ(error_for("GIF89a", header_only), "neither a PNG nor a JPEG picture");
    EXPECT_EQ(error_for(cmyk_jpeg, header_only), "a CMYK JPEG is not read; save it as RGB");
    EXPECT_EQ(error_for(TinyPng{.width = 0, .height = 3}.bytes(), header_only), "a picture of 0 x 3 has no pixels");
    EXPECT_EQ(error_for(TinyPng{.width = 65536, .height = 1}.bytes(), header_only),
              "a picture of 65536 x 1 is larger than 65535 on a side or 268435456 pixels");
    EXPECT_EQ(error_for(TinyPng{.width = 65535, .height = 65535}.bytes(), header_only),
              "a picture of 65535 x 65535 is larger than 65535 on a side or 268435456 pixels");
    EXPECT_EQ(error_for(TinyPng{.width = 0xffffffff, .height = 1}.bytes(), header_only),
              "a picture of 4294967295 x 1 is larger than 65535 on a side or 268435456 pixels");
  }
}

// Whether another view may stand in depends on it.
TEST(Picture, DamageIsWhatTheBytesThemselvesSay) {
  TemporaryFolder folder;
  auto is_damaged = [&](const std::string& bytes) {
    const std::string path = folder.write("p", bytes);
    int damaged = 0;
    for (const bool header_only : {true, false}) {
      try {
        header_only ? void(image_size(path)) : void(decode_image(path));
        ADD_FAILURE() << "no error";
      } catch (const DamagedPicture&) {
        ++damaged;
      } catch (const Error&) {
      }
    }
    EXPECT_NE(damaged, 1) << "looking and loading do not agree";
    return damaged == 2;
  };
  const TinyPng png{.width = 2, .height = 1, .rows = {"abcdef"}};
  std::string flipped = png.bytes();
  flipped[16] = '\x40';  // 2^30 pixels wide, without the checksum of that
  for (const std::string& bytes :
       {std::string(), std::string("some words"), std::string(300, '\0'), flipped, png.bytes().substr(0, 50),
        rgb_jpeg.substr(0, 100), rgb_jpeg.substr(0, rgb_jpeg.size() - 30), TinyPng{.width = 0, .height = 3}.bytes()})
    EXPECT_TRUE(is_damaged(bytes)) << bytes.size();
  const std::string large = TinyPng{.width = 16384, .height = 16384, .colour = 6}.bytes();
  for (const std::string& bytes : {cmyk_jpeg, TinyPng{.width = 65536, .height = 1}.bytes(),
                                   large.substr(0, 33) + std::string(1100000, 'x') + large.substr(33)})
    EXPECT_FALSE(is_damaged(bytes)) << bytes.size();
  for (const std::string& path : {folder / "none", folder.path()}) {
    try {
      decode_image(path);
      FAIL() << "no error";
    } catch (const DamagedPicture&) {
      FAIL() << path;
    } catch (const Error&) {
    }
  }
}

// 16384 x 16384 pixels of four bytes are a gigabyte, and a header says so in a few bytes.
TEST(Picture, MemoryIsBoundedByTheFileNotByItsHeader) {
  const std::string cannot_hold = " bytes cannot hold the 16384 x 16384 pixels that its header says";
  std::string jpeg = rgb_jpeg;
  const auto frame = jpeg.find("\xff\xc0");
  jpeg.replace(frame + 5, 4, "\x40\0\x40\0"s);
  std::string progressive = jpeg;
  progressive[frame + 1] = '\xc2';
  for (const bool header_only : {true, false}) {
    for (const TinyPng& png : {TinyPng{.width = 16384, .height = 16384, .colour = 6},
                               TinyPng{.width = 16384, .height = 16384, .colour = 6, .interlaced = true},
                               TinyPng{.width = 16384, .height = 16384, .depth = 16, .colour = 2},
                               TinyPng{.width = 16384, .height = 16384, .depth = 1, .colour = 0},
                               TinyPng{.width = 16384, .height = 16384, .depth = 8, .colour = 3, .palette = "abc"}})
      EXPECT_TRUE(error_for(png.bytes(), header_only).ends_with(cannot_hold)) << error_for(png.bytes(), header_only);
    for (const std::string& file : {jpeg, progressive, jpeg + "appended"})
      EXPECT_TRUE(error_for(file, header_only).ends_with(cannot_hold)) << error_for(file, header_only);
    const std::string png = TinyPng{.width = 16384, .height = 16384, .colour = 6}.bytes();
    EXPECT_EQ(
        error_for(png.substr(0, 33) + std::string(1100000, 'x') + png.substr(33), header_only),
        "its 16384 x 16384 pixels take 1024 MiB to decode, more than 256 and than 100 times the file; save it smaller");
  }
}

TEST(Picture, ChunksThatChangeNoPixelArePassedOverWhateverTheirLength) {
  const TinyPng plain{.width = 2, .height = 1, .rows = {"abcdef"}};
  std::string png = plain.bytes();
  for (const char* name : {"tEXt", "zTXt", "iTXt", "iCCP", "eXIf", "sPLT", "prVt"})
    png.insert(33, TinyPng::chunk(name, std::string(9 << 20, 'x')));  // libpng itself takes 8 MB at most
  EXPECT_EQ(decode(png).pixels, decode(plain.bytes()).pixels);
}

TEST(Jpeg, OrientationIsReadFromItsTag) {
  TemporaryFolder folder;
  auto turned = [&](const std::string& tiff) {
    const std::string segment = "Exif\0\0"s + tiff;
    return folder.write("p.jpg", rgb_jpeg.substr(0, 2) + "\xff\xe1"s + char(0) + char(segment.size() + 2) + segment +
                                     rgb_jpeg.substr(2));
  };
  EXPECT_EQ(exif_orientation(folder.write("p.jpg", rgb_jpeg)), 1);
  EXPECT_EQ(exif_orientation(turned("II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x06\0\0\0\0\0\0\0"s)), 6);
  const Camera upright{.width = 3, .height = 4, .image = folder / "p.jpg"};
  EXPECT_NE(sentence_of([&] {
              in_pixels_of(upright, {4, 3});
            }).find("p.jpg: is 4 x 3, but its camera says 3 x 4, and its EXIF says"),
            std::string::npos);
  EXPECT_EQ(exif_orientation(turned("MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x08\0\0\0\0\0\0"s)), 8);
  EXPECT_EQ(exif_orientation(turned("II*\0\xff\xff\xff\xff\1\0"s)), 1);
}

TEST(Picture, EveryTruncationIsAnError) {
  const std::string png = TinyPng{.width = 2, .height = 2, .rows = {"abcdef", "ghijkl"}}.bytes();
  for (const std::string& whole : {png, rgb_jpeg, grey_jpeg})
    for (std::size_t n = 0; n + 1 < whole.size(); ++n)  // a JPEG without the very last byte is complete
      EXPECT_NE(error_for(whole.substr(0, n)), "no error") << n;
}

TEST(Picture, EveryDamagedByteIsAnErrorOrAPicture) {
  TemporaryFolder folder;
  const std::string png = TinyPng{.width = 2,
                                  .height = 2,
                                  .colour = 3,
                                  .rows = {std::string(2, '\0'), "\1\2"},
                                  .palette = "abcdefghi",
                                  .transparency = "x"}
                              .bytes();
  for (std::string whole : {png, rgb_jpeg})
    for (std::size_t at = 0; at < whole.size(); ++at)
      for (int flip : {0x01, 0x80, 0xff}) {
        std::string damaged = whole;
        damaged[at] = char(damaged[at] ^ flip);
        const std::string path = folder.write(std::to_string(at) + "_" + std::to_string(flip), damaged);
        const std::string e = sentence_of([&] {
          const Image image = decode_image(path);
          const std::size_t pixels = std::size_t(image.width) * std::size_t(image.height);
          EXPECT_EQ(image.pixels.size(), pixels * std::size_t(image.channels));
        });
        EXPECT_TRUE(e == "no error" || e.find(path) == 0) << e;
      }
}

TEST(Picture, WhatIsWrittenReadsBack) {
  TemporaryFolder folder;
  for (int channels : {3, 4}) {
    Image image{5, 3, channels, {}};
    for (int i = 0; i < 15 * channels; ++i) image.pixels.push_back(std::uint8_t(i * 37));
    write_png(folder / "p.png", image);
    const Image back = decode_image(folder / "p.png");
    EXPECT_EQ(back.channels, channels);
    EXPECT_EQ(back.pixels, image.pixels);
  }
  EXPECT_NE(sentence_of([&] {
              write_png(folder / "no/p.png", {1, 1, 3, {1, 2, 3}});
            }).find("no/p.png"),
            std::string::npos);
  EXPECT_EQ(sentence_of([&] {
              write_png("p", {2, 1, 3, {1, 2, 3}});
            }),
            "p: a picture of 2 x 1 with 3 bytes is not written");
}

Image pattern(int width, int height, int channels) {
  Image image{width, height, channels, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) image.pixels.push_back(std::uint8_t(x * x * 7 + y * 13 + c * 101 + x * y * 3));
  return image;
}
std::uint64_t fnv1a(const Bytes& bytes) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (std::uint8_t b : bytes) h = (h ^ b) * 0x100000001b3u;
  return h;
}

TEST(Resize, SameBitsAsPillow) {
  struct Case {
    int width, height, channels, new_width, new_height;
    std::uint64_t hash;  // of Image.resize((new_width, new_height), LANCZOS) of pattern(...), Pillow 13.0.0
  };
  for (const Case& c : {Case{37, 23, 3, 11, 17, 0xe403c80cac8a3252u}, Case{37, 23, 4, 11, 17, 0x9264e36257c7c9dau},
                        Case{9, 13, 3, 40, 31, 0xff19c900b52dd53eu}, Case{9, 13, 4, 40, 31, 0xd63fddc72676cb85u},
                        Case{20, 90, 3, 15, 40, 0x4a38a5676ace4b05u}, Case{20, 90, 4, 25, 40, 0x8396db6bb044b8b4u},
                        Case{33, 21, 4, 33, 8, 0x1d558568eef24460u}, Case{33, 21, 4, 50, 21, 0xc410eb2f7b4fb5b0u},
                        Case{64, 1, 3, 7, 5, 0xa6d384f57996dd6bu}, Case{19, 19, 4, 19, 19, 0xd41d6ad025ec5fedu}}) {
    const Image out = resize(pattern(c.width, c.height, c.channels), c.new_height, c.new_width);
    EXPECT_EQ(fnv1a(out.pixels), c.hash) << c.width << "x" << c.height << "x" << c.channels;
  }
}

TEST(Resize, SameBitsAsThePublishedDataPath) {
  auto device = Device::open(Backend::cpu);
  const SafetensorsFile golden("tests/golden/lact/06_data_gso_character.safetensors");
  const Json hparams = Json::parse(golden.metadata().at("hparams"), "hparams");
  const Tensor want = golden.read("image_u8", *device);  // [v, 3, h, w]
  const std::int64_t h = want.dim(2), w = want.dim(3);
  for (std::int64_t v = 0; v < want.dim(0); ++v) {
    const Image image =
        resize_and_crop(decode_image("tests/data/gso_character/" + hparams["file_paths"].at(v).text()), int(h), int(w));
    const auto* planes = want.select(0, v).data<std::uint8_t>();
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < h * w; ++i)
      for (std::int64_t c = 0; c < 3; ++c) wrong += image.pixels[std::size_t(3 * i + c)] != planes[c * h * w + i];
    EXPECT_EQ(wrong, 0) << "view " << v;
  }
}

TEST(Resize, TheCropIsAPartOfTheWhole) {
  const Image image = pattern(31, 17, 3);
  const Fit f = fit({31, 17}, 12, 9);
  const Image whole = resize(image, f.scaled_height, f.scaled_width), part = resize_and_crop(image, 12, 9);
  for (int y = 0; y < 12; ++y)
    for (int i = 0; i < 27; ++i)
      ASSERT_EQ(part.pixels[std::size_t(y * 27 + i)],
                whole.pixels[std::size_t(((y + f.top) * whole.width + f.left) * 3 + i)]);
}

TEST(Resize, ConstantStaysConstantAndAlphaLiesOnWhite) {
  for (int size : {1, 2, 7, 64}) {
    EXPECT_EQ(resize_and_crop({5, 3, 3, Bytes(45, 93)}, size, size).pixels, Bytes(std::size_t(3 * size * size), 93));
    EXPECT_EQ(resize_and_crop({5, 3, 4, Bytes(60, 0)}, size, size).pixels, Bytes(std::size_t(3 * size * size), 255));
  }
  EXPECT_EQ(resize_and_crop({1, 1, 4, {0, 255, 100, 128}}, 1, 1).pixels, (Bytes{127, 255, 177}));
}

TEST(Fit, CoversThenCropsTheCentre) {
  const Fit wide = fit({640, 480}, 64, 64);
  EXPECT_EQ(wide.scaled_width, 85);  // 85.33
  EXPECT_EQ(wide.scaled_height, 64);
  EXPECT_EQ(wide.left, 10);
  EXPECT_EQ(wide.top, 0);
  EXPECT_EQ(fit({5, 2}, 1, 1).scaled_width, 2);  // 2.5 rounds to even
  EXPECT_EQ(fit({7, 2}, 1, 1).scaled_width, 4);  // 3.5 too
  EXPECT_EQ(fit({1, 65535}, largest_fit, largest_fit).scaled_height, 65535 * largest_fit);
  EXPECT_NE(sentence_of([] { fit({1, 1}, 0, 1); }), "no error");
  EXPECT_NE(sentence_of([] { fit({1, 1}, 1, largest_fit + 1); }), "no error");
}

}  // namespace
}  // namespace lact
