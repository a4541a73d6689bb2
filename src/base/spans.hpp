// What a rank did and when, for a timeline. Whoever records is given a pointer; where it is null nothing is recorded.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace lact {

struct Span {
  std::string kind, name;     // "collective", "begin all_gather along cp"
  double begin = 0, end = 0;  // steady_seconds()
  std::int64_t bytes = 0;     // that left this rank
  bool beside = false;        // went on while the rank did other things; all other spans nest
};

class Spans {
 public:
  void add(Span s) { all_.push_back(std::move(s)); }
  // Neighbours: ends the last turn, if one is open, and begins the next; an empty name only ends.
  void turn(const std::string& kind, const std::string& name);
  const std::vector<Span>& all() const { return all_; }

 private:
  std::vector<Span> all_;
  Span open_;
};

class Spanning {  // from here to the end of the scope
 public:
  Spanning(Spans* to, const char* kind, const std::string& name);
  ~Spanning();
  Spanning(const Spanning&) = delete;
  Spanning& operator=(const Spanning&) = delete;

 private:
  Spans* to_;
  Span span_;
};

}  // namespace lact
