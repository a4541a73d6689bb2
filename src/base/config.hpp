// Typed configuration: a struct lists its fields once, and that list reads YAML (or JSON), takes `key=value`, prints
// the effective values, and refuses unknown keys with the nearest known one.
//
//   struct TrainConfig {
//     std::int64_t steps = 1000;
//     void fields(Fields& f) { f("steps", steps, "optimizer steps"); }
//   };
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/path.hpp"

namespace lact {

class Fields {
 public:
  using Place = std::variant<bool*, std::int64_t*, double*, std::string*, Path*, std::vector<std::int64_t>*,
                             std::vector<std::string>*>;
  struct Field {
    std::string key;  // dotted, "train.steps"
    Place place;
    std::string help;
  };
  struct List {  // a YAML sequence of structs, such as block_config
    std::string key;
    std::string help;
    std::function<std::size_t()> size;
    std::function<Fields(std::size_t count)> resize;  // the fields "KEY.0.x", "KEY.1.x", ... after resizing
  };

  template <class T>
  void operator()(std::string_view key, T& value, std::string_view help) {
    add(key, Place(&value), help);
  }
  template <class S>
  void section(std::string_view name, S& s) {
    Fields inner(prefix_ + std::string(name) + ".");
    s.fields(inner);
    append(std::move(inner));
  }
  template <class S>
  void list(std::string_view name, std::vector<S>& items, std::string_view help) {
    std::string key = prefix_ + std::string(name);
    lists_.push_back({key, std::string(help), [&items] { return items.size(); },
                      [&items, key](std::size_t n) {
                        items.resize(n);
                        Fields all(key + ".");
                        for (std::size_t i = 0; i < n; ++i) all.section(std::to_string(i), items[i]);
                        return all;
                      }});
  }

  explicit Fields(std::string prefix = "") : prefix_(std::move(prefix)) {}
  template <class C>
  static Fields of(C& config) {
    Fields f;
    config.fields(f);
    return f;
  }
  const std::vector<Field>& fields() const { return fields_; }
  const std::vector<List>& lists() const { return lists_; }

 private:
  void add(std::string_view key, Place place, std::string_view help);
  void append(Fields&& inner);
  std::string prefix_;
  std::vector<Field> fields_;
  std::vector<List> lists_;
};

// Reads one YAML document into the fields. Missing keys keep their values. `prefix` ("model") puts the text's keys
// below it. Errors name the source, the key, the wanted type, and the nearest known key. False where the text says
// nothing.
bool read_config_text(const Fields& fields, const std::string& text, const std::string& source,
                      const std::string& prefix = "");
// What a config says of a key that stands below no other; empty where it says nothing, or is none: read_config_text()
// tells.
std::string value_in_config(const std::string& text, const std::string& key);
// "train.steps=200". The value of a text or a path is all that stands behind the first "=", to the letter; numbers and
// true or false may have blanks around them; lists and sections are YAML.
void apply_override(const Fields& fields, const std::string& key_equals_value);
std::string to_yaml(const Fields& fields);   // every key with its effective value; reads back equal
std::string describe(const Fields& fields);  // every key, default and sentence, for --help-config
// The keys whose values differ, each as {key, value in a, value in b}; a key one side lacks has an empty value there.
struct Difference {
  std::string key, a, b;
};
std::vector<Difference> differences(const Fields& a, const Fields& b);
// The candidate with the smallest edit distance, or "" when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace lact
