// What a rank did and when, for a timeline or a profiler. Whoever records is given a pointer; where it is null nothing
// is recorded.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lact {

struct Span {
  std::string kind, name;     // "collective", "begin all_gather along cp"
  double begin = 0, end = 0;  // steady_seconds()
  std::int64_t bytes = 0;     // that left this rank
  bool beside = false;        // went on while the rank did other things; all other spans nest
};

// When something happened, by steady_seconds(): called once that is over.
using Moment = std::function<double()>;
// Called where something happens. An empty one is the host's clock; that of a device tells when its work came so far.
using Clock = std::function<Moment()>;
Moment now_by(const Clock& clock);

class Profiler {  // a program beside this one that is told where spans begin and end; they nest
 public:
  virtual ~Profiler() = default;
  virtual void begin(const std::string& name) = 0;
  virtual void end() = 0;
};

class Spans {
 public:
  explicit Spans(Clock clock = {}, std::shared_ptr<Profiler> shown_to = nullptr);
  // Shown, and not kept.
  static std::unique_ptr<Spans> only_shown(std::shared_ptr<Profiler> to);
  // Neighbours: ends the last turn, if one is open, and begins the next; an empty name only ends.
  void turn(const std::string& kind, const std::string& name);
  // A span that began there and ends now, beside the others.
  void add_beside(Span s, const Moment& begin);
  void settle();                                         // the clock's work is over: fills in the times
  const std::vector<Span>& all() const { return all_; }  // settled
  Moment now() const { return kept_ ? now_by(clock_) : Moment(); }

 private:
  friend class Spanning;
  struct Times {
    Moment begin, end;
  };
  void open(const std::string& name);
  void close(Span s, const Moment& begin);
  Clock clock_;
  std::shared_ptr<Profiler> shown_to_;
  bool kept_ = true;
  std::vector<Span> all_;
  std::vector<Times> times_;  // of the last ones of these
  Span turn_;
  Moment turned_;
};

class Spanning {  // from here to the end of the scope
 public:
  Spanning(Spans* to, const char* kind, const std::string& name, std::int64_t bytes = 0);
  ~Spanning();
  Spanning(const Spanning&) = delete;
  Spanning& operator=(const Spanning&) = delete;

 private:
  Spans* to_;
  Span span_;
  Moment begin_;
};

}  // namespace lact
