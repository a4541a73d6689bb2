// A timeline that Perfetto and chrome://tracing open.
#pragma once
#include "base/spans.hpp"

namespace lact {

struct Track {  // a rank
  std::string name;
  std::vector<Span> spans;
};
// JSON in the trace event format: a process for each track; spans beside the others as asynchronous events below them.
std::string chrome_trace(const std::vector<Track>& tracks);

}  // namespace lact
