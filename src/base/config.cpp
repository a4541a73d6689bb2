#include "base/config.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "base/check.hpp"

namespace lact {
namespace {

constexpr std::size_t max_list = 4096;  // more blocks than that is a broken file

template <class T>
bool parse(const std::string& text, T& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}
bool parse(const std::string& text, bool& value) {
  value = text == "true" || text == "True";
  return value || text == "false" || text == "False";
}

struct Source {
  const std::string& name;
  std::string_view text;
};

struct Assign {  // one scalar or list of scalars into a place; says what was wanted when it does not fit
  const YAML::Node& node;
  const std::string& key;
  const Source& source;

  template <class T>
  void scalar(T& value, std::string_view wanted) const {
    check(node.IsScalar() && parse(node.Scalar(), value), "{}: {} wants {}, not '{}'", source.name, key, wanted,
          shown());
  }
  void operator()(bool* p) const { scalar(*p, "true or false"); }
  void operator()(std::int64_t* p) const { scalar(*p, "an integer"); }
  void operator()(double* p) const { scalar(*p, "a number"); }
  void operator()(std::string* p) const {
    check(node.IsScalar() || node.IsNull(), "{}: {} wants text, not '{}'", source.name, key, shown());
    const bool nothing = node.IsNull() || node.Scalar().empty();
    const char begin = nothing ? first_character() : ' ';
    check(begin != '&' && begin != '!', "{}: {} is text that begins with '{}', which needs quotes in YAML", source.name,
          key, std::string(1, begin));
    *p = node.IsNull() ? "" : node.Scalar();
  }
  void operator()(Path* p) const {
    std::string text;
    (*this)(&text);
    const bool home = node.IsNull() && first_character() == '~';  // to YAML that is nothing
    *p = at_home(home ? "~" : text, source.name + ": " + key);
  }
  void operator()(std::vector<std::int64_t>* p) const { sequence(*p, "a list of integers"); }
  void operator()(std::vector<std::string>* p) const { sequence(*p, "a list of texts"); }

  template <class T>
  void sequence(std::vector<T>& out, std::string_view wanted) const {
    check(node.IsSequence() || node.IsNull(), "{}: {} wants {} such as [1, 2], not '{}'", source.name, key, wanted,
          shown());
    std::vector<T> items;
    for (const YAML::Node& item : node) {
      T value{};
      Assign{item, key, source}(&value);
      items.push_back(value);
    }
    out = std::move(items);
  }
  char first_character() const {  // of what stands there
    const YAML::Mark at = node.Mark();
    return at.pos >= 0 && std::size_t(at.pos) < source.text.size() ? source.text[std::size_t(at.pos)] : ' ';
  }
  std::string shown() const {
    std::string s = node.IsScalar() ? node.Scalar() : YAML::Dump(node);
    return s.size() > 60 ? s.substr(0, 60) + "..." : s;
  }
};

YAML::Node node_of(const Fields::Place& place) {
  return std::visit(
      [](auto* p) {
        using T = std::remove_pointer_t<decltype(p)>;
        if constexpr (std::is_same_v<T, double>) {
          std::array<char, 32> digits;
          auto r = std::to_chars(digits.data(), digits.data() + digits.size(), *p);
          return YAML::Node(std::string(digits.data(), r.ptr));
        } else if constexpr (std::is_same_v<T, Path>) {
          return YAML::Node(p->place());
        } else {
          return YAML::Node(*p);
        }
      },
      place);
}

std::vector<std::string> keys_of(const Fields& f) {
  std::vector<std::string> keys;
  for (const auto& x : f.fields()) keys.push_back(x.key);
  for (const auto& x : f.lists()) keys.push_back(x.key);
  return keys;
}

void assign(const Fields& f, const std::string& key, const YAML::Node& node, const Source& source);

void descend(const Fields& f, const std::string& key, const YAML::Node& node, const Source& source) {
  for (const auto& entry : node) {
    check(entry.first.IsScalar(), "{}: a key below '{}' is not a word", source.name, key);
    assign(f, key.empty() ? entry.first.Scalar() : key + "." + entry.first.Scalar(), entry.second, source);
  }
}

void assign_list(const Fields::List& list, const YAML::Node& node, const Source& source) {
  check(node.IsSequence(), "{}: {} wants a list", source.name, list.key);
  check(node.size() <= max_list, "{}: {} has {} entries, more than {}", source.name, list.key, node.size(), max_list);
  list.resize(0);  // entries begin with the defaults, not with what stood in their place
  Fields inner = list.resize(node.size());
  for (std::size_t i = 0; i < node.size(); ++i) {
    std::string key = list.key + "." + std::to_string(i);
    check(node[i].IsMap(), "{}: {} wants 'key: value' pairs", source.name, key);
    descend(inner, key, node[i], source);
  }
}

void assign(const Fields& f, const std::string& key, const YAML::Node& node, const Source& source) {
  for (const auto& x : f.fields())
    if (x.key == key) return std::visit(Assign{node, key, source}, x.place);
  for (const auto& x : f.lists()) {
    if (x.key == key) return assign_list(x, node, source);
    if (key.starts_with(x.key + ".")) return assign(x.resize(x.size()), key, node, source);
  }
  bool is_section = std::ranges::any_of(keys_of(f), [&](const std::string& k) { return k.starts_with(key + "."); });
  if (is_section && node.IsMap()) return descend(f, key, node, source);
  if (is_section && node.IsNull()) return;
  check(!is_section, "{}: {} is a section and wants keys below it", source.name, key);
  std::string near = nearest(key, keys_of(f));
  check(near.empty(), "{}: unknown key '{}'; did you mean '{}'?", source.name, key, near);
  fail("{}: unknown key '{}'", source.name, key);
}

// Everything flattened, lists included, in the order of the struct.
std::vector<Fields::Field> flat(const Fields& f) {
  std::vector<Fields::Field> all = f.fields();
  for (const auto& list : f.lists())
    for (const auto& x : flat(list.resize(list.size()))) all.push_back(x);
  return all;
}

// Every key once in its map. Aliases make a short text endless, so what is visited is counted.
void refuse_repeats(const YAML::Node& node, const std::string& source, std::size_t& visited, int depth = 0) {
  constexpr std::size_t most = 100000;
  check(depth <= 64, "{}: is nested deeper than 64 levels, or without end", source);
  check(++visited <= most, "{}: has more than {} values, which is no config", source, most);
  if (node.IsMap()) {
    std::set<std::string> seen;
    for (const auto& e : node) {
      if (e.first.IsScalar())
        check(seen.insert(e.first.Scalar()).second, "{}: the key '{}' stands twice", source, e.first.Scalar());
      refuse_repeats(e.second, source, visited, depth + 1);
    }
  } else if (node.IsSequence()) {
    for (const auto& e : node) refuse_repeats(e, source, visited, depth + 1);
  }
}

YAML::Node nested(const Fields& f) {
  YAML::Node root(YAML::NodeType::Map);
  for (const auto& x : flat(f)) {
    YAML::Node at = root;
    std::size_t begin = 0;
    for (std::size_t dot; (dot = x.key.find('.', begin)) != std::string::npos; begin = dot + 1) {
      YAML::Node next = at[x.key.substr(begin, dot - begin)];
      at.reset(next);
    }
    at[x.key.substr(begin)] = node_of(x.place);
  }
  return root;
}

// Maps whose keys are 0, 1, 2 ... were lists.
bool was_list(const YAML::Node& map) {
  std::size_t i = 0;
  for (const auto& e : map)
    if (e.first.Scalar() != std::to_string(i++)) return false;
  return i > 0;
}

void emit(YAML::Emitter& out, const YAML::Node& node) {
  if (node.IsMap() && was_list(node)) {
    out << YAML::BeginSeq;
    for (const auto& e : node) emit(out, e.second);
    out << YAML::EndSeq;
  } else if (node.IsMap()) {
    out << YAML::BeginMap;
    for (const auto& e : node) {
      out << YAML::Key << e.first.Scalar() << YAML::Value;
      emit(out, e.second);
    }
    out << YAML::EndMap;
  } else if (node.IsSequence()) {
    out << YAML::Flow << YAML::BeginSeq;
    for (const auto& e : node) emit(out, e);
    out << YAML::EndSeq;
  } else {  // the library leaves a carriage return bare, where readers take it for the line's end
    if (node.Scalar().find('\r') != std::string::npos) out << YAML::DoubleQuoted;
    out << node.Scalar();
  }
}

std::string text_of(const YAML::Node& node) {
  YAML::Emitter out;
  emit(out, node);
  return out.c_str();
}

// What stands behind the first document of a text would be lost.
YAML::Node one_document(const std::string& text, const std::string& source) {
  const std::vector<YAML::Node> all = YAML::LoadAll(text);
  for (std::size_t i = 1; i < all.size(); ++i)
    check(all[i].IsNull(), "{}: line {}: a second YAML document begins; a config is one", source,
          all[i].Mark().line + 1);
  return all.empty() ? YAML::Node() : all[0];
}

// The place of a key that takes one word, not a list or a section.
std::optional<Fields::Place> scalar_at(const Fields& f, const std::string& key) {
  for (const auto& x : f.fields())
    if (x.key == key)
      return std::holds_alternative<std::vector<std::int64_t>*>(x.place) ||
                     std::holds_alternative<std::vector<std::string>*>(x.place)
                 ? std::nullopt
                 : std::optional(x.place);
  for (const auto& x : f.lists())
    if (key.starts_with(x.key + ".")) return scalar_at(x.resize(x.size()), key);
  return {};
}

std::string trimmed(const std::string& text) {
  constexpr const char* blanks = " \t\r\n";
  const auto begin = text.find_first_not_of(blanks);
  return begin == text.npos ? "" : text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

}  // namespace

void Fields::add(std::string_view key, Place place, std::string_view help) {
  fields_.push_back({prefix_ + std::string(key), place, std::string(help)});
}

void Fields::append(Fields&& inner) {
  for (auto& x : inner.fields_) fields_.push_back(std::move(x));
  for (auto& x : inner.lists_) lists_.push_back(std::move(x));
}

bool read_config_text(const Fields& fields, const std::string& text, const std::string& source,
                      const std::string& prefix) {
  constexpr std::string_view mark = "\xef\xbb\xbf";  // of UTF-8, which some editors leave
  const std::string bare = text.starts_with(mark) ? text.substr(mark.size()) : text;
  try {
    const YAML::Node root = one_document(bare, source);
    if (root.IsNull()) return false;
    check(root.IsMap(), "{}: a config is a list of 'key: value' pairs", source);
    std::size_t visited = 0;
    refuse_repeats(root, source, visited);
    descend(fields, prefix, root, {source, bare});
  } catch (const YAML::Exception& e) {
    check(e.mark.is_null(), "{}: line {}: {}", source, e.mark.line + 1, e.msg);
    fail("{}: {}", source, e.msg);
  }
  return true;
}

std::string value_in_config(const std::string& text, const std::string& key) {
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap() || !root[key] || !root[key].IsScalar()) return "";
    return root[key].Scalar();
  } catch (const YAML::Exception&) {
    return "";
  }
}

void apply_override(const Fields& fields, const std::string& key_equals_value) {
  const std::string source = "command line";
  auto eq = key_equals_value.find('=');
  check(eq != std::string::npos && eq > 0, "'{}' is not of the form key=value", key_equals_value);
  const std::string key = key_equals_value.substr(0, eq), value = key_equals_value.substr(eq + 1);
  // Other bytes would not come back from a stored config.
  check(is_utf8(value), "{}: {} wants text in UTF-8", source, key);
  const std::optional<Fields::Place> place = scalar_at(fields, key);
  YAML::Node node(value);
  if (place && !std::holds_alternative<std::string*>(*place) && !std::holds_alternative<Path*>(*place))
    node = YAML::Node(trimmed(value));
  if (!place) {
    try {
      node = one_document(value, source);
    } catch (const YAML::Exception& e) {
      fail("{}: {}={} is not readable as YAML: {}", source, key, value, e.msg);
    }
  }
  assign(fields, key, node, {source, value});
}

std::string to_yaml(const Fields& fields) { return text_of(nested(fields)) + "\n"; }

std::string describe(const Fields& fields) {
  std::string out;
  for (const auto& x : fields.fields()) out += fill("{:<34} {:<14} {}\n", {x.key, text_of(node_of(x.place)), x.help});
  for (const auto& x : fields.lists()) out += fill("{:<34} {:<14} {}\n", {x.key, "(list)", x.help});
  return out;
}

std::vector<Difference> differences(const Fields& a, const Fields& b) {
  std::map<std::string, std::array<std::string, 2>> values;
  for (const auto& x : flat(a)) values[x.key][0] = text_of(node_of(x.place));
  for (const auto& x : flat(b)) values[x.key][1] = text_of(node_of(x.place));
  std::vector<Difference> out;
  for (const auto& [key, v] : values)
    if (v[0] != v[1]) out.push_back({key, v[0], v[1]});
  return out;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = word.size() / 2 + 1;
  for (const std::string& c : candidates) {
    std::vector<std::size_t> row(c.size() + 1);
    std::iota(row.begin(), row.end(), 0u);
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t diagonal = row[0]++;
      for (std::size_t j = 0; j < c.size(); ++j) {
        std::size_t change = diagonal + (word[i] != c[j]);
        diagonal = row[j + 1];
        row[j + 1] = std::min({row[j + 1] + 1, row[j] + 1, change});
      }
    }
    // the last word of a dotted key, typed without its section, is near too
    auto tail = c.rfind('.');
    std::size_t distance = tail != std::string::npos && c.substr(tail + 1) == word ? 0 : row.back();
    if (distance < best_distance) best_distance = distance, best = c;
  }
  return best;
}

}  // namespace lact
