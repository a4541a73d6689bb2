// cairo stands here and nowhere else.
#include <cairo.h>

#include <cmath>
#include <memory>

#include "base/check.hpp"
#include "run/drawing.hpp"

namespace lact {
namespace {

constexpr double pixels_per_unit = 2, font_size = 12;

struct Colour {
  double red, green, blue;
};
Colour colour_of(const std::string& text) {
  check(text.size() == 7 && text[0] == '#' && text.find_first_not_of("0123456789abcdef", 1) == text.npos,
        "'{}' is no colour", text);
  const auto n = std::stoul(text.substr(1), nullptr, 16);
  return {double(n >> 16) / 255, double(n >> 8 & 255) / 255, double(n & 255) / 255};
}

class Canvas {
 public:
  explicit Canvas(const Drawing& d)
      : surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, int(std::ceil(d.width * pixels_per_unit)),
                                            int(std::ceil(d.height * pixels_per_unit))),
                 cairo_surface_destroy),
        cairo_(cairo_create(surface_.get()), cairo_destroy) {
    set({1, 1, 1});
    cairo_paint(c());
    cairo_scale(c(), pixels_per_unit, pixels_per_unit);
    cairo_set_font_size(c(), font_size);
    cairo_set_line_join(c(), CAIRO_LINE_JOIN_ROUND);
  }
  void draw(const Stroke& s) {
    set(colour_of(s.colour));
    cairo_set_line_width(c(), s.width);
    cairo_set_dash(c(), s.dash.data(), s.dash[0] > 0 ? 2 : 0, 0);
    for (const auto& [x, y] : s.places) cairo_line_to(c(), x, y);
    cairo_stroke(c());
  }
  void draw(const Dot& d) {
    set(colour_of(d.colour));
    cairo_arc(c(), d.at.first, d.at.second, d.radius, 0, 2 * std::acos(-1));
    cairo_fill(c());
  }
  void draw(const Label& w) {
    set({0, 0, 0});
    cairo_select_font_face(c(), "@cairo:", CAIRO_FONT_SLANT_NORMAL,
                           w.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    const std::string text = is_utf8(w.text) ? w.text : shown(w.text);
    cairo_text_extents_t size;
    cairo_text_extents(c(), text.c_str(), &size);
    const double before = w.anchor == Label::begin ? 0 : w.anchor == Label::middle ? 0.5 : 1;
    cairo_move_to(c(), w.at.first - before * size.x_advance, w.at.second);
    cairo_show_text(c(), text.c_str());
    cairo_new_path(c());
  }
  std::string png() {
    std::string bytes;
    const cairo_write_func_t append = [](void* to, const unsigned char* from, unsigned int count) {
      static_cast<std::string*>(to)->append(reinterpret_cast<const char*>(from), count);
      return CAIRO_STATUS_SUCCESS;
    };
    const cairo_status_t drawn = cairo_status(c());
    check(drawn == CAIRO_STATUS_SUCCESS, "a picture cannot be drawn: {}", cairo_status_to_string(drawn));
    const cairo_status_t written = cairo_surface_write_to_png_stream(surface_.get(), append, &bytes);
    check(written == CAIRO_STATUS_SUCCESS, "a picture cannot be written: {}", cairo_status_to_string(written));
    return bytes;
  }

 private:
  cairo_t* c() { return cairo_.get(); }
  void set(const Colour& x) { cairo_set_source_rgb(c(), x.red, x.green, x.blue); }
  std::unique_ptr<cairo_surface_t, void (*)(cairo_surface_t*)> surface_;
  std::unique_ptr<cairo_t, void (*)(cairo_t*)> cairo_;
};

}  // namespace

std::string png_bytes(const Drawing& d) {
  Canvas canvas(d);
  for (const Stroke& s : d.strokes) canvas.draw(s);
  for (const Dot& p : d.dots) canvas.draw(p);
  for (const Label& w : d.labels) canvas.draw(w);
  return canvas.png();
}

}  // namespace lact
