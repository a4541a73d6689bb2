#include "run/chrome_trace.hpp"

#include <algorithm>
#include <tuple>

#include "files/json.hpp"

namespace lact {
namespace {

constexpr double micro = 1e6;  // the format counts in microseconds

Json event(const char* phase, std::size_t process, const Span& s, double at) {
  return Json::object(
      {{"ph", phase}, {"pid", process}, {"tid", 0}, {"cat", s.kind}, {"name", s.name}, {"ts", at * micro}});
}

Json arguments(const Span& s) { return s.bytes > 0 ? Json::object({{"bytes", s.bytes}}) : Json::object(); }

}  // namespace

std::string chrome_trace(const std::vector<Track>& tracks) {
  Json events = Json::array();
  std::int64_t id = 0;  // of an asynchronous event
  for (std::size_t t = 0; t < tracks.size(); ++t) {
    events.push(Json::object(
        {{"ph", "M"}, {"pid", t}, {"name", "process_name"}, {"args", Json::object({{"name", tracks[t].name}})}}));
    events.push(Json::object(
        {{"ph", "M"}, {"pid", t}, {"name", "process_sort_index"}, {"args", Json::object({{"sort_index", t}})}}));
    std::vector<Span> spans = tracks[t].spans;
    // of spans that begin together the outermost comes first
    std::ranges::stable_sort(spans, {}, [](const Span& s) { return std::tuple(s.begin, -s.end); });
    for (const Span& s : spans) {
      if (!s.beside) {
        events.push(event("X", t, s, s.begin).set("dur", (s.end - s.begin) * micro).set("args", arguments(s)));
        continue;
      }
      events.push(event("b", t, s, s.begin).set("id", ++id).set("args", arguments(s)));
      events.push(event("e", t, s, s.end).set("id", id));
    }
  }
  return Json::object({{"displayTimeUnit", "ms"}, {"traceEvents", events}}).dump();
}

}  // namespace lact
