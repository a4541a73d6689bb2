#include "files/json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <variant>

#include "base/check.hpp"
#include "files/whole_file.hpp"

namespace lact {

// The keys of an object in their order. Many of them get an index, so that a file of many takes no square of the time.
template <class Node>
class Members {
 public:
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }
  std::size_t size() const { return list_.size(); }
  const Node* find(std::string_view key) const {
    const std::size_t i = place(key);
    return i < list_.size() ? &list_[i].second : nullptr;
  }
  Node* add(std::string key, Node value) {  // null where the key is there already
    if (place(key) < list_.size()) return nullptr;
    list_.emplace_back(std::move(key), std::move(value));
    for (std::size_t i = places_.size(); list_.size() > few && i < list_.size(); ++i)
      places_.emplace(list_[i].first, i);
    return &list_.back().second;
  }
  void put(const std::string& key, Node value) {  // adds at the end, or replaces in place
    const std::size_t i = place(key);
    if (i < list_.size())
      list_[i].second = std::move(value);
    else
      add(key, std::move(value));
  }

 private:
  std::size_t place(std::string_view key) const {  // list_.size() where it is not there
    if (list_.size() > few) {
      const auto found = places_.find(key);
      return found == places_.end() ? list_.size() : found->second;
    }
    const auto found = std::ranges::find(list_, key, [](const auto& m) -> std::string_view { return m.first; });
    return std::size_t(found - list_.begin());
  }
  static constexpr std::size_t few = 16;
  std::vector<std::pair<std::string, Node>> list_;
  std::map<std::string, std::size_t, std::less<>> places_;  // empty while there are few
};

struct Json::Node {
  using Items = std::vector<Node>;
  using Members = lact::Members<Node>;
  std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, Items, Members> value;

  const Node* find(std::string_view key) const { return std::get<Members>(value).find(key); }
  void write(std::string& out) const;
};

namespace {

constexpr std::array kinds = {"null",     "true or false", "an integer", "an integer",
                              "a number", "text",          "a list",     "an object"};

std::string shortened(std::string_view s, std::size_t most = 60) {
  return s.size() <= most ? std::string(s) : std::string(s.substr(0, most)) + "...";
}

std::string key_path(const std::string& path, std::string_view key) {
  return path.empty() ? shortened(key) : path + "." + shortened(key);
}

std::string index_path(const std::string& path, std::int64_t i) { return path + "[" + std::to_string(i) + "]"; }

std::string quoted(const std::string& s) {  // bytes that are not UTF-8 become U+FFFD, so the line stays JSON
  return nlohmann::json(s).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <class T>
std::string digits(T x) {
  std::array<char, 32> buffer;
  auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x).ptr;
  return {buffer.data(), end};
}

std::string digits_of_double(double x) {
  if (!std::isfinite(x)) return "null";
  std::string s = digits(x);
  return s.find_first_of(".e") == std::string::npos ? s + ".0" : s;
}

// Builds nodes from the parser's events. A parent never grows while a child is open, so pointers to open nodes hold.
template <class Node>
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::string_view text, const std::string& source, Node& root) : text_(text), source_(source), root_(root) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool b) override { return add(b); }
  bool number_integer(std::int64_t i) override { return add(i); }
  bool number_unsigned(std::uint64_t i) override {
    if (i <= std::uint64_t(std::numeric_limits<std::int64_t>::max())) return add(std::int64_t(i));
    return add(i);
  }
  bool number_float(double x, const std::string&) override { return add(x); }
  bool string(std::string& s) override { return add(std::move(s)); }
  bool binary(nlohmann::json::binary_t&) override { return false; }  // not in text
  bool start_object(std::size_t) override { return open(typename Node::Members{}); }
  bool start_array(std::size_t) override { return open(typename Node::Items{}); }
  bool end_array() override { return close(); }
  bool end_object() override { return close(); }
  bool key(std::string& k) override {
    key_ = std::move(k);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& e) override {
    std::string_view before = text_.substr(0, std::min(position, text_.size()));
    auto line = 1 + std::ranges::count(before, '\n');
    auto last_break = before.rfind('\n');
    auto column = std::max<std::size_t>(1, before.size() - (last_break == std::string_view::npos ? 0 : last_break + 1));
    std::string_view why = e.what();
    for (std::string_view end_of_prefix : {"] ", "column "})
      if (auto p = why.find(end_of_prefix); p != std::string_view::npos) why.remove_prefix(p + end_of_prefix.size());
    if (auto p = why.find(": "); p != std::string_view::npos && p < 12) why.remove_prefix(p + 2);
    fail("{}: line {}, column {}: {}", source_, line, column, shortened(why, 200));
  }

 private:
  template <class V>
  Node* place(V&& value) {
    if (++values_ > Json::max_values) fail("{}: more than {} values", source_, Json::max_values);
    Node* node = &root_;
    if (!open_.empty()) {
      if (auto* items = std::get_if<typename Node::Items>(&open_.back()->value))
        node = &items->emplace_back();
      else
        node = std::get<typename Node::Members>(open_.back()->value).add(key_, Node{});
    }
    if (node == nullptr) fail("{}: the key '{}' stands twice in one object", source_, shortened(key_));
    node->value = std::forward<V>(value);
    return node;
  }
  template <class V>
  bool add(V&& value) {
    place(std::forward<V>(value));
    return true;
  }
  template <class V>
  bool open(V&& value) {
    if (std::int64_t(open_.size()) >= Json::max_depth) fail("{}: nested deeper than {}", source_, Json::max_depth);
    open_.push_back(place(std::forward<V>(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  const std::string& source_;
  Node& root_;
  std::vector<Node*> open_;
  std::string key_;
  std::int64_t values_ = 0;
};

}  // namespace

Json Json::parse(std::string_view text, const std::string& source, std::int64_t max_bytes) {
  check(std::int64_t(text.size()) <= max_bytes, "{}: {} bytes of JSON are more than {}", source, text.size(),
        max_bytes);
  check(text.find('\0') == text.npos, "{}: is not JSON: it holds a zero byte",
        source);  // the parser would stop there, content
  return reading(source, [&] {
    Json j;
    j.source_ = std::make_shared<const std::string>(source);
    Builder<Node> builder(text, source, *j.node_);
    nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
    return j;
  });
}

Json Json::read(const std::string& path, std::int64_t max_bytes) {
  return parse(read_text(path, max_bytes), path, max_bytes);
}

bool Json::is_null() const { return std::holds_alternative<std::nullptr_t>(node_->value); }
bool Json::is_boolean() const { return std::holds_alternative<bool>(node_->value); }
bool Json::is_integer() const {
  return std::holds_alternative<std::int64_t>(node_->value) || std::holds_alternative<std::uint64_t>(node_->value);
}
bool Json::is_number() const { return is_integer() || std::holds_alternative<double>(node_->value); }
bool Json::is_text() const { return std::holds_alternative<std::string>(node_->value); }
bool Json::is_array() const { return std::holds_alternative<Node::Items>(node_->value); }
bool Json::is_object() const { return std::holds_alternative<Node::Members>(node_->value); }

bool Json::boolean() const {
  if (!is_boolean()) wanted("true or false");
  return std::get<bool>(node_->value);
}

double Json::number() const {
  if (!is_number()) wanted("a number");
  return std::visit(
      [](const auto& v) -> double {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(v)>>) return double(v);
        return 0;
      },
      node_->value);
}

std::int64_t Json::integer() const {
  if (!is_integer()) wanted("an integer");
  if (auto* big = std::get_if<std::uint64_t>(&node_->value))
    fail("{} is {}, too large for an integer", where(), digits(*big));
  return std::get<std::int64_t>(node_->value);
}

std::string Json::text() const {
  if (!is_text()) wanted("text");
  return std::get<std::string>(node_->value);
}

std::int64_t Json::size() const {
  if (is_object()) return std::int64_t(std::get<Node::Members>(node_->value).size());
  if (!is_array()) wanted("a list");
  return std::int64_t(std::get<Node::Items>(node_->value).size());
}

Json Json::at(std::int64_t i) const {
  if (!is_array()) wanted("a list");
  if (i < 0 || i >= size()) fail("{}: {} is missing: the list has {} items", *source_, index_path(path_, i), size());
  return part(std::get<Node::Items>(node_->value)[std::size_t(i)], index_path(path_, i));
}

std::vector<Json> Json::items() const {
  if (!is_array()) wanted("a list");
  std::vector<Json> all;
  for (const Node& n : std::get<Node::Items>(node_->value))
    all.push_back(part(n, index_path(path_, std::int64_t(all.size()))));
  return all;
}

bool Json::has(std::string_view key) const {
  if (!is_object()) wanted("an object");
  return node_->find(key) != nullptr;
}

Json Json::operator[](std::string_view key) const {
  if (!is_object()) wanted("an object");
  const Node* n = node_->find(key);
  if (n == nullptr) fail("{}: {} is missing", *source_, key_path(path_, key));
  return part(*n, key_path(path_, key));
}

std::vector<Json::Member> Json::members() const {
  if (!is_object()) wanted("an object");
  std::vector<Member> all;
  for (const auto& [k, n] : std::get<Node::Members>(node_->value)) all.emplace_back(k, part(n, key_path(path_, k)));
  return all;
}

std::string Json::name() const { return path_.empty() ? "the top level" : path_; }
std::string Json::where() const { return *source_ + ": " + name(); }
void Json::wanted(std::string_view what) const {
  fail("{} wants {}, not {}", where(), what, kinds[node_->value.index()]);
}

// A part shares the ownership of the whole.
Json Json::part(const Node& node, std::string path) const {
  Json j;
  j.node_ = std::shared_ptr<Node>(node_, const_cast<Node*>(&node));
  j.source_ = source_;
  j.path_ = std::move(path);
  return j;
}

Json::Node& Json::own() {
  if (node_.use_count() != 1) node_ = std::make_shared<Node>(*node_);
  return *node_;
}

Json::Json() : node_(std::make_shared<Node>()), source_(std::make_shared<const std::string>("JSON")) {}
Json::Json(Made, bool b) : Json() { node_->value = b; }
Json::Json(Made, std::int64_t i) : Json() { node_->value = i; }
Json::Json(Made, std::uint64_t i) : Json() { node_->value = i; }
Json::Json(Made, double x) : Json() { node_->value = x; }
Json::Json(std::string text) : Json() { node_->value = std::move(text); }

Json Json::array(const std::vector<Json>& items) {
  Json j;
  j.node_->value = Node::Items{};
  for (const Json& i : items) j.push(i);
  return j;
}

Json Json::object(const std::vector<Member>& members) {
  Json j;
  j.node_->value = Node::Members{};
  for (const auto& [k, v] : members) j.set(k, v);
  return j;
}

Json& Json::push(const Json& item) {
  if (!is_array()) wanted("a list");
  std::get<Node::Items>(own().value).push_back(*item.node_);
  return *this;
}

Json& Json::set(const std::string& key, const Json& value) {
  if (!is_object()) wanted("an object");
  std::get<Node::Members>(own().value).put(key, *value.node_);
  return *this;
}

void Json::Node::write(std::string& out) const {
  struct Writer {
    std::string& to;
    void operator()(std::nullptr_t) const { to += "null"; }
    void operator()(bool b) const { to += b ? "true" : "false"; }
    void operator()(std::int64_t i) const { to += digits(i); }
    void operator()(std::uint64_t i) const { to += digits(i); }
    void operator()(double x) const { to += digits_of_double(x); }
    void operator()(const std::string& s) const { to += quoted(s); }
    void operator()(const Items& items) const {
      to += '[';
      for (const Node& n : items) {
        if (&n != items.data()) to += ", ";
        n.write(to);
      }
      to += ']';
    }
    void operator()(const Members& members) const {
      to += '{';
      for (const auto& m : members) {
        if (&m != &*members.begin()) to += ", ";
        to += quoted(m.first) + ": ";
        m.second.write(to);
      }
      to += '}';
    }
  };
  std::visit(Writer{out}, value);
}

std::string Json::dump() const {
  std::string out;
  node_->write(out);
  return out;
}

}  // namespace lact
