#include "base/config.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <map>
#include <numeric>
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

struct Assign {  // one scalar or list of scalars into a place; says what was wanted when it does not fit
  const YAML::Node& node;
  const std::string& key;
  const std::string& source;

  template <class T>
  void scalar(T& value, std::string_view wanted) const {
    check(node.IsScalar() && parse(node.Scalar(), value), "{}: {} wants {}, not '{}'", source, key, wanted, shown());
  }
  void operator()(bool* p) const { scalar(*p, "true or false"); }
  void operator()(std::int64_t* p) const { scalar(*p, "an integer"); }
  void operator()(double* p) const { scalar(*p, "a number"); }
  void operator()(std::string* p) const {
    check(node.IsScalar() || node.IsNull(), "{}: {} wants text, not '{}'", source, key, shown());
    *p = node.IsNull() ? "" : node.Scalar();
  }
  void operator()(std::vector<std::int64_t>* p) const { sequence(*p, "a list of integers"); }
  void operator()(std::vector<std::string>* p) const { sequence(*p, "a list of texts"); }

  template <class T>
  void sequence(std::vector<T>& out, std::string_view wanted) const {
    check(node.IsSequence() || node.IsNull(), "{}: {} wants {} such as [1, 2], not '{}'", source, key, wanted, shown());
    std::vector<T> items;
    for (const YAML::Node& item : node) {
      T value{};
      Assign{item, key, source}(&value);
      items.push_back(value);
    }
    out = std::move(items);
  }
  std::string shown() const {
    std::string s = YAML::Dump(node);
    return s.size() > 60 ? s.substr(0, 60) + "..." : s;
  }
};

std::string text_of(const Fields::Place& place) {
  YAML::Emitter out;
  out << YAML::Flow;
  std::visit(
      [&](auto* p) {
        if constexpr (std::is_same_v<decltype(p), double*>) {
          std::array<char, 32> digits;
          auto r = std::to_chars(digits.data(), digits.data() + digits.size(), *p);
          out << std::string(digits.data(), r.ptr);
        } else {
          out << *p;
        }
      },
      place);
  return out.c_str();
}

std::vector<std::string> keys_of(const Fields& f) {
  std::vector<std::string> keys;
  for (const auto& x : f.fields()) keys.push_back(x.key);
  for (const auto& x : f.lists()) keys.push_back(x.key);
  return keys;
}

void assign(const Fields& f, const std::string& key, const YAML::Node& node, const std::string& source);

void descend(const Fields& f, const std::string& key, const YAML::Node& node, const std::string& source) {
  for (const auto& entry : node) {
    check(entry.first.IsScalar(), "{}: a key below '{}' is not a word", source, key);
    assign(f, key.empty() ? entry.first.Scalar() : key + "." + entry.first.Scalar(), entry.second, source);
  }
}

void assign_list(const Fields::List& list, const YAML::Node& node, const std::string& source) {
  check(node.IsSequence(), "{}: {} wants a list", source, list.key);
  check(node.size() <= max_list, "{}: {} has {} entries, more than {}", source, list.key, node.size(), max_list);
  list.resize(0);  // entries begin with the defaults, not with what stood in their place
  Fields inner = list.resize(node.size());
  for (std::size_t i = 0; i < node.size(); ++i) {
    std::string key = list.key + "." + std::to_string(i);
    check(node[i].IsMap(), "{}: {} wants 'key: value' pairs", source, key);
    descend(inner, key, node[i], source);
  }
}

void assign(const Fields& f, const std::string& key, const YAML::Node& node, const std::string& source) {
  for (const auto& x : f.fields())
    if (x.key == key) return std::visit(Assign{node, key, source}, x.place);
  for (const auto& x : f.lists()) {
    if (x.key == key) return assign_list(x, node, source);
    if (key.starts_with(x.key + ".")) return assign(x.resize(x.size()), key, node, source);
  }
  bool is_section = std::ranges::any_of(keys_of(f), [&](const std::string& k) { return k.starts_with(key + "."); });
  if (is_section && node.IsMap()) return descend(f, key, node, source);
  if (is_section && node.IsNull()) return;
  check(!is_section, "{}: {} is a section and wants keys below it", source, key);
  std::string near = nearest(key, keys_of(f));
  check(near.empty(), "{}: unknown key '{}'; did you mean '{}'?", source, key, near);
  fail("{}: unknown key '{}'", source, key);
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
    at[x.key.substr(begin)] = YAML::Load(text_of(x.place));
  }
  return root;
}

// Maps whose keys are 0, 1, 2 ... were lists.
YAML::Node with_lists(const YAML::Node& node) {
  if (!node.IsMap()) return node;
  bool list = node.size() > 0;
  std::size_t i = 0;
  for (const auto& e : node) list = list && e.first.Scalar() == std::to_string(i++);
  YAML::Node out(list ? YAML::NodeType::Sequence : YAML::NodeType::Map);
  for (const auto& e : node) {
    if (list)
      out.push_back(with_lists(e.second));
    else
      out[e.first.Scalar()] = with_lists(e.second);
  }
  return out;
}

}  // namespace

void Fields::add(std::string_view key, Place place, std::string_view help) {
  fields_.push_back({prefix_ + std::string(key), place, std::string(help)});
}

void Fields::append(Fields&& inner) {
  for (auto& x : inner.fields_) fields_.push_back(std::move(x));
  for (auto& x : inner.lists_) lists_.push_back(std::move(x));
}

void read_config_text(const Fields& fields, const std::string& text, const std::string& source,
                      const std::string& prefix) {
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& e) {
    fail("{}: line {}: {}", source, e.mark.line + 1, e.msg);
  }
  if (root.IsNull()) return;
  check(root.IsMap(), "{}: a config is a list of 'key: value' pairs", source);
  std::size_t visited = 0;
  refuse_repeats(root, source, visited);
  descend(fields, prefix, root, source);
}

void read_config_file(const Fields& fields, const std::string& path, const std::string& prefix) {
  std::string text;
  {
    const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not block the open
    check(opened >= 0, "{}: cannot be read (no such config file?)", path);
    std::FILE* f = ::fdopen(opened, "rb");
    struct stat kind {};
    if (::fstat(opened, &kind) != 0 || !S_ISREG(kind.st_mode)) {
      std::fclose(f);
      fail("{}: is not a file", path);
    }
    std::array<char, 65536> block;
    constexpr std::size_t most_bytes = 4 << 20;
    for (std::size_t n = 1; n > 0 && text.size() <= most_bytes;) {
      n = std::fread(block.data(), 1, block.size(), f);
      text.append(block.data(), n);
    }
    bool ok = std::ferror(f) == 0;
    std::fclose(f);
    check(ok, "{}: cannot be read", path);
    check(text.size() <= most_bytes, "{}: more than {} bytes are too many for a config", path, most_bytes);
  }
  read_config_text(fields, text, path, prefix);
}

void apply_override(const Fields& fields, const std::string& key_equals_value) {
  auto eq = key_equals_value.find('=');
  check(eq != std::string::npos && eq > 0, "'{}' is not of the form key=value", key_equals_value);
  YAML::Node node;
  try {
    node = YAML::Load(key_equals_value.substr(eq + 1));
  } catch (const YAML::Exception&) {
    node = YAML::Node(key_equals_value.substr(eq + 1));
  }
  assign(fields, key_equals_value.substr(0, eq), node, "command line");
}

std::string to_yaml(const Fields& fields) {
  YAML::Emitter out;
  out << with_lists(nested(fields));
  return std::string(out.c_str()) + "\n";
}

std::string describe(const Fields& fields) {
  std::string out;
  for (const auto& x : fields.fields()) out += fill("{:<34} {:<14} {}\n", {x.key, text_of(x.place), x.help});
  for (const auto& x : fields.lists()) out += fill("{:<34} {:<14} {}\n", {x.key, "(list)", x.help});
  return out;
}

std::vector<Difference> differences(const Fields& a, const Fields& b) {
  std::map<std::string, std::array<std::string, 2>> values;
  for (const auto& x : flat(a)) values[x.key][0] = text_of(x.place);
  for (const auto& x : flat(b)) values[x.key][1] = text_of(x.place);
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
