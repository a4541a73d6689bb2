// libpng and libjpeg-turbo stand here and nowhere else.
#include "data/views/images.hpp"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>

#include "base/check.hpp"
#include "base/file_work.hpp"
#include "files/whole_file.hpp"

namespace lact {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::int64_t largest_side = 65535, most_pixels = std::int64_t(1) << 28;
constexpr std::uint8_t png_mark[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::uint8_t jpeg_mark[3] = {0xff, 0xd8, 0xff};
constexpr std::size_t png_header = 33;

constexpr std::int64_t largest_file = std::int64_t(1) << 32;

template <class... A>
void check_whole(bool ok, Said why, const A&... words) {
  if (!ok) throw DamagedPicture(why, {Word(words)...});
}

// The first `limit` bytes.
Bytes read_bytes(const FileReader& file, std::int64_t limit = largest_file) {
  const FileWork work("reading", file.path());
  check_whole(file.size() > 0, "{}: the file is empty", file.path());
  check(file.size() <= largest_file, "{}: a file of {} bytes is no sensible picture", file.path(), file.size());
  Bytes bytes(std::size_t(std::min(file.size(), limit)));
  check(file.read(bytes.data(), std::int64_t(bytes.size()), 0) == std::int64_t(bytes.size()), "{}: cannot be read",
        file.path());
  return bytes;
}

template <std::size_t n>
bool starts_with(const Bytes& bytes, const std::uint8_t (&mark)[n]) {
  return bytes.size() >= n && std::equal(mark, mark + n, bytes.begin());
}

ImageSize sane(const FileReader& file, std::int64_t width, std::int64_t height) {
  check_whole(width > 0 && height > 0, "{}: a picture of {} x {} has no pixels", file.path(), width, height);
  check(width <= largest_side && height <= largest_side && width * height <= most_pixels,
        "{}: a picture of {} x {} is larger than {} on a side or {} pixels", file.path(), width, height, largest_side,
        most_pixels);
  return {int(width), int(height)};
}

// What a header says is believed as far as the file bears it out: `least` bytes are the fewest that such a picture
// takes however well it is compressed, and decoding takes `memory` bytes.
void check_size(const FileReader& file, ImageSize size, std::int64_t least, std::int64_t memory) {
  constexpr std::int64_t mib = 1 << 20, always = 256 * mib, times = 100;
  check_whole(least <= file.size(), "{}: its {} bytes cannot hold the {} x {} pixels that its header says", file.path(),
              file.size(), size.width, size.height);
  check(memory <= std::max(always, times * file.size()),
        "{}: its {} x {} pixels take {} MiB to decode, more than {} and than {} times the file; save it smaller",
        file.path(), size.width, size.height, memory / mib, always / mib, times);
}

struct CloseJpeg {
  void operator()(void* p) const { tjDestroy(p); }
};
using Jpeg = std::unique_ptr<void, CloseJpeg>;

Jpeg jpeg_reader() {
  Jpeg jpeg(tjInitDecompress());
  if (jpeg == nullptr) throw std::bad_alloc();
  return jpeg;
}

// Bytes between two markers, which many cameras leave, are skipped by every reader; other warnings mean lost pixels.
bool fine(int rc, const Jpeg& jpeg) {
  const char* why = tjGetErrorStr2(jpeg.get());
  if (rc != 0 && (std::strstr(why, "nsufficient memory") || std::strstr(why, "emory allocation failure")))
    throw std::bad_alloc();
  return rc == 0 ||
         (tjGetErrorCode(jpeg.get()) == TJERR_WARNING && std::strstr(why, "extraneous bytes before marker") != nullptr);
}

bool jpeg_header(const Jpeg& jpeg, const Bytes& bytes, int& width, int& height, int& colours) {
  int subsampling = 0;
  return fine(tjDecompressHeader3(jpeg.get(), bytes.data(), static_cast<unsigned long>(bytes.size()), &width, &height,
                                  &subsampling, &colours),
              jpeg);
}

// Decoding a progressive one takes its coefficients, two bytes each, besides the pixels; any may be one.
ImageSize jpeg_size(const FileReader& file, const Jpeg& jpeg, const Bytes& bytes) {
  int width = 0, height = 0, colours = 0;
  check_whole(jpeg_header(jpeg, bytes, width, height, colours), "{}: the JPEG header is cut off or damaged ({})",
              file.path(), tjGetErrorStr2(jpeg.get()));
  const ImageSize size = sane(file, width, height);
  check(colours != TJCS_CMYK && colours != TJCS_YCCK, "{}: a CMYK JPEG is not read; save it as RGB", file.path());
  const std::int64_t pixels = std::int64_t(width) * height, blocks = (width + 7) / 8 * std::int64_t((height + 7) / 8);
  check_size(file, size, blocks / 8, pixels * 6);  // a block takes a bit
  return size;
}

Image decode_jpeg(const FileReader& file, const Bytes& bytes) {
  const Jpeg jpeg = jpeg_reader();
  const ImageSize size = jpeg_size(file, jpeg, bytes);
  Image image{size.width, size.height, 3, {}};
  image.pixels.resize(std::size_t(size.width) * std::size_t(size.height) * 3);
  const int rc = tjDecompress2(jpeg.get(), bytes.data(), static_cast<unsigned long>(bytes.size()), image.pixels.data(),
                               size.width, 0, size.height, TJPF_RGB, TJFLAG_LIMITSCANS);
  check_whole(fine(rc, jpeg), "{}: the JPEG is cut off or damaged ({})", file.path(), tjGetErrorStr2(jpeg.get()));
  return image;
}

// libpng reports an error by a long jump. It may only cross frames without destructors: the lambdas given to guarded()
// call libpng and touch plain references.
struct PngState {
  png_structp png = nullptr;
  png_infop info = nullptr;
  char why[128] = "";
  bool out_of_memory = false;
  const Bytes* source = nullptr;  // when reading
  std::size_t position = 0;
  Bytes* sink = nullptr;  // when writing
};

extern "C" {
[[noreturn]] static void png_failed(png_structp png, png_const_charp why) {
  auto* state = static_cast<PngState*>(png_get_error_ptr(png));
  std::snprintf(state->why, sizeof state->why, "%s", why);
  png_longjmp(png, 1);
}
static void png_warned(png_structp, png_const_charp) {}
static png_voidp png_memory(png_structp png, png_alloc_size_t bytes) {  // that there is none is no fault of the file
  void* memory = std::malloc(bytes);
  if (memory == nullptr) static_cast<PngState*>(png_get_mem_ptr(png))->out_of_memory = true;
  return memory;
}
static void png_free_memory(png_structp, png_voidp memory) { std::free(memory); }
static void png_give(png_structp png, png_bytep to, std::size_t count) {
  auto* state = static_cast<PngState*>(png_get_io_ptr(png));
  if (count > state->source->size() - state->position) png_error(png, "the file ends too early");
  std::memcpy(to, state->source->data() + state->position, count);
  state->position += count;
}
static void png_take(png_structp png, png_bytep from, std::size_t count) {
  auto* state = static_cast<PngState*>(png_get_io_ptr(png));
  state->sink->insert(state->sink->end(), from, from + count);
}
static void png_flush_nothing(png_structp) {}
}

template <class Work>
bool completed(PngState& state, const Work& work) {
  if (setjmp(png_jmpbuf(state.png))) return false;
  work();
  return true;
}
template <class Work>
bool guarded(PngState& state, const Work& work) {
  const bool ok = completed(state, work);
  if (!ok && state.out_of_memory) throw std::bad_alloc();
  return ok;
}

struct PngReader : PngState {
  explicit PngReader(const Bytes& bytes) {
    source = &bytes;
    auto* state = static_cast<PngState*>(this);
    png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, state, png_failed, png_warned, state, png_memory,
                                   png_free_memory);
    info = png ? png_create_info_struct(png) : nullptr;
    if (info == nullptr) {
      png_destroy_read_struct(&png, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_read_fn(png, static_cast<PngState*>(this), png_give);
    png_set_user_limits(png, png_uint_32(largest_side), png_uint_32(largest_side));
    // Texts, profiles and the like change no pixel here: they are passed over, not unpacked, whatever their length.
    static constexpr png_byte unneeded[] =
        "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0tEXt\0tIME\0zTXt";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, unneeded, int(sizeof unneeded / 5));
    png_set_chunk_malloc_max(png, 0);
  }
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;
};

struct PngWriter : PngState {
  explicit PngWriter(Bytes& bytes) {
    sink = &bytes;
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, static_cast<PngState*>(this), png_failed, png_warned);
    info = png ? png_create_info_struct(png) : nullptr;
    check(info != nullptr, "libpng could not start");
    png_set_write_fn(png, static_cast<PngState*>(this), png_take, png_flush_nothing);
  }
  ~PngWriter() { png_destroy_write_struct(&png, &info); }
  PngWriter(const PngWriter&) = delete;
};

void ask_for_eight_bit_colour(PngState& s) {
  const int kind = png_get_color_type(s.png, s.info);
  if (kind == PNG_COLOR_TYPE_PALETTE) {
    png_set_palette_to_rgb(s.png);
    if (png_get_valid(s.png, s.info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(s.png);
  }
  if (kind == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(s.png);
  png_set_scale_16(s.png);  // round(v * 255 / 65535)
  if (!(kind & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(s.png);
  png_set_interlace_handling(s.png);
  png_read_update_info(s.png, s.info);
}

ImageSize png_size(const FileReader& file, const Bytes& bytes) {
  check_whole(bytes.size() >= png_header && std::memcmp(bytes.data() + 12, "IHDR", 4) == 0,
              "{}: the PNG header is cut off or damaged", file.path());
  const Bytes first(bytes.begin(), bytes.begin() + png_header);
  PngReader header(first);
  guarded(header, [&] { png_read_info(header.png, header.info); });
  check_whole(std::strstr(header.why, "IHDR: CRC") == nullptr, "{}: the PNG header is damaged ({})", file.path(),
              header.why);
  const ImageSize size = sane(file, png_get_uint_32(bytes.data() + 16), png_get_uint_32(bytes.data() + 20));
  constexpr std::int64_t samples[8] = {1, 1, 3, 1, 2, 1, 4, 1}, most_deflated = 1032;  // bytes of one
  const std::int64_t row = (size.width * samples[bytes[25] & 7] * std::max(1, int(bytes[24])) + 7) / 8 + 1;
  const bool alpha = (bytes[25] & 4) != 0 || bytes[25] == PNG_COLOR_TYPE_PALETTE;
  check_size(file, size, row * size.height / most_deflated, std::int64_t(size.width) * size.height * (alpha ? 4 : 3));
  return size;
}

Image decode_png(const FileReader& file, const Bytes& bytes) {
  const std::string& path = file.path();
  const ImageSize size = png_size(file, bytes);
  Image image{size.width, size.height, 0, {}};
  PngReader reader(bytes);
  bool ok = guarded(reader, [&] {
    png_read_info(reader.png, reader.info);
    ask_for_eight_bit_colour(reader);
    image.channels = png_get_channels(reader.png, reader.info);
  });
  check_whole(ok, "{}: the PNG is cut off or damaged ({})", path, reader.why);
  const std::size_t row = std::size_t(size.width) * std::size_t(image.channels);
  check(png_get_rowbytes(reader.png, reader.info) == row, "{}: a PNG with {} bytes a row where {} were expected", path,
        png_get_rowbytes(reader.png, reader.info), row);
  image.pixels.resize(row * std::size_t(size.height));
  std::vector<png_bytep> rows;
  for (int y = 0; y < size.height; ++y) rows.push_back(image.pixels.data() + row * std::size_t(y));
  ok = guarded(reader, [&] {
    png_read_image(reader.png, rows.data());
    png_read_end(reader.png, nullptr);
  });
  check_whole(ok, "{}: the PNG is cut off or damaged ({})", path, reader.why);
  return image;
}

}  // namespace

FileReader open_picture(const std::string& path) {
  try {
    return FileReader(path);
  } catch (const Error&) {
    std::error_code e;
    check(std::filesystem::exists(path, e), "{}: no such picture", path);
    throw;
  }
}

Image decode_image(const FileReader& file) {
  return reading(file.path(), [&] {
    const Bytes bytes = read_bytes(file);
    if (starts_with(bytes, png_mark)) return decode_png(file, bytes);
    check_whole(starts_with(bytes, jpeg_mark), "{}: neither a PNG nor a JPEG picture", file.path());
    return decode_jpeg(file, bytes);
  });
}

// False where a file does not end as its kind does: it was cut off, or something was appended.
static bool ends_whole(const FileReader& file, bool png) {
  std::string end(png ? 8 : 2, '\0');
  file.read(end.data(), std::int64_t(end.size()), std::max<std::int64_t>(0, file.size() - std::int64_t(end.size())));
  return end == (png ? "IEND\xae\x42\x60\x82" : "\xff\xd9");
}

static ImageSize size_of(const FileReader& file) {
  Bytes bytes = read_bytes(file, png_header);
  const bool png = starts_with(bytes, png_mark);
  check_whole(png || starts_with(bytes, jpeg_mark), "{}: neither a PNG nor a JPEG picture", file.path());
  if (!ends_whole(file, png)) {  // then only decoding tells
    const Image image = decode_image(file);
    return {image.width, image.height};
  }
  if (png) return png_size(file, bytes);
  const Jpeg jpeg = jpeg_reader();
  // a JPEG may put a little or a lot before its frame header
  for (const std::int64_t usual_header : {std::int64_t(4096), std::int64_t(65536), largest_file}) {
    bytes = read_bytes(file, usual_header);
    int width = 0, height = 0, colours = 0;
    if (jpeg_header(jpeg, bytes, width, height, colours) && width > 0) break;
  }
  return jpeg_size(file, jpeg, bytes);
}

ImageSize image_size(const FileReader& file) {
  return reading(file.path(), [&] { return size_of(file); });
}

Image decode_image(const std::string& path) { return decode_image(open_picture(path)); }
ImageSize image_size(const std::string& path) { return image_size(open_picture(path)); }

void write_png(const std::string& path, const Image& image) {
  check(image.channels == 3 || image.channels == 4, "{}: a PNG of {} channels is not written", path, image.channels);
  const std::size_t row = std::size_t(image.width) * std::size_t(image.channels);
  check(image.width > 0 && image.height > 0 && image.pixels.size() == row * std::size_t(image.height),
        "{}: a picture of {} x {} with {} bytes is not written", path, image.width, image.height, image.pixels.size());
  Bytes bytes;
  PngWriter writer(bytes);
  const bool ok = guarded(writer, [&] {
    png_set_IHDR(writer.png, writer.info, png_uint_32(image.width), png_uint_32(image.height), 8,
                 image.channels == 4 ? PNG_COLOR_TYPE_RGBA : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(writer.png, writer.info);
    for (int y = 0; y < image.height; ++y) png_write_row(writer.png, image.pixels.data() + row * std::size_t(y));
    png_write_end(writer.png, writer.info);
  });
  check(ok, "{}: cannot be written as PNG ({})", path, writer.why);
  write_whole(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace lact
