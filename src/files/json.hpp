// JSON, read with suspicion and written so that every number comes back. A Json is a cheap handle with value semantics;
// a part of a parsed text remembers its source and its path, so that errors read "scene.json: [3].fx is missing".
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lact {

class Json {
 public:
  using Member = std::pair<std::string, Json>;
  static constexpr std::int64_t max_depth = 64, max_values = 1 << 23, default_max_bytes = 64 << 20;

  // Refused: text that is not JSON, anything after the value, repeated keys, numbers beyond a double, NaN and Infinity,
  // and whatever exceeds the limits. Errors name the source.
  static Json parse(std::string_view text, const std::string& source, std::int64_t max_bytes = default_max_bytes);
  static Json read(const std::string& path, std::int64_t max_bytes = default_max_bytes);

  bool is_null() const;
  bool is_boolean() const;
  bool is_number() const;
  bool is_integer() const;  // written without point and exponent, and within 64 bits
  bool is_text() const;
  bool is_array() const;
  bool is_object() const;

  // Each says what it wanted when the value is something else.
  bool boolean() const;
  double number() const;
  std::int64_t integer() const;
  std::string text() const;
  std::int64_t size() const;  // of an array or an object
  Json at(std::int64_t i) const;
  std::vector<Json> items() const;
  bool has(std::string_view key) const;
  Json operator[](std::string_view key) const;
  std::vector<Member> members() const;  // in the order of the text
  std::string where() const;            // "scene.json: [3].fx", to begin a sentence with

  Json();  // null
  Json(std::same_as<bool> auto b) : Json(Made{}, b) {}
  Json(std::signed_integral auto i) : Json(Made{}, std::int64_t(i)) {}
  Json(std::unsigned_integral auto i) requires(!std::same_as<decltype(i), bool>) : Json(Made{}, std::uint64_t(i)) {}
  Json(std::floating_point auto x) : Json(Made{}, double(x)) {}
  Json(std::string text);
  Json(std::string_view text) : Json(std::string(text)) {}
  Json(const char* text) : Json(std::string(text)) {}
  static Json array(const std::vector<Json>& items = {});
  static Json object(const std::vector<Member>& members = {});
  Json& push(const Json& item);
  Json& set(const std::string& key, const Json& value);  // adds at the end, or replaces in place

  // One line. Doubles in the fewest digits that read back equal, always with a point or exponent; a number that is not
  // finite becomes null.
  std::string dump() const;

 private:
  struct Node;
  struct Made {};
  Json(Made, bool b);
  Json(Made, std::int64_t i);
  Json(Made, std::uint64_t i);
  Json(Made, double x);
  Json part(const Node& node, std::string path) const;
  Node& own();
  std::string name() const;
  [[noreturn]] void wanted(std::string_view what) const;

  std::shared_ptr<Node> node_;
  std::shared_ptr<const std::string> source_;
  std::string path_;
};

}  // namespace lact
