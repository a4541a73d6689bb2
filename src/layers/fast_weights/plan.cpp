#include "layers/fast_weights/plan.hpp"

#include <algorithm>
#include <set>

#include "base/check.hpp"
#include "parallel/traffic.hpp"

namespace lact {

TttPlan plan_views(std::int64_t input_tokens, std::int64_t target_tokens) {
  return {{TttEvent::update, {0, input_tokens}}, {TttEvent::apply, {0, input_tokens + target_tokens}}};
}

TttPlan plan_causal(std::int64_t tokens, std::int64_t chunk) {
  check(chunk > 0, "a causal plan with chunks of {} tokens", chunk);
  TttPlan plan;
  std::int64_t begin = 0;
  for (; begin < tokens - chunk; begin += chunk) {
    plan.push_back({TttEvent::apply, {begin, begin + chunk}});
    plan.push_back({TttEvent::update, {begin, begin + chunk}});
  }
  plan.push_back({TttEvent::apply, {begin, tokens}});
  return plan;
}

TttPlan clipped(const TttPlan& plan, std::int64_t tokens) {
  TttPlan out = plan;
  for (TttEvent& e : out) {
    e.tokens.end = std::clamp<std::int64_t>(e.tokens.end, 0, tokens);
    e.tokens.begin = std::clamp<std::int64_t>(e.tokens.begin, 0, e.tokens.end);
  }
  return out;
}

std::vector<Range> share(const TttPlan& plan, std::int64_t tokens, int rank, int ranks) {
  std::set<std::int64_t> borders{0, tokens};
  for (const TttEvent& e : clipped(plan, tokens)) borders.insert({e.tokens.begin, e.tokens.end});
  std::vector<Range> mine;
  std::int64_t begin = 0;
  for (std::int64_t end : borders) {
    Range part = even_part(end - begin, rank, ranks);
    part = {begin + part.begin, begin + part.end};
    if (!part.empty() && !mine.empty() && mine.back().end == part.begin)
      mine.back().end = part.end;
    else if (!part.empty())
      mine.push_back(part);
    begin = end;
  }
  return mine;
}

TttPlan local_plan(const TttPlan& plan, std::span<const Range> mine) {
  auto place = [mine](std::int64_t token) {  // held tokens before it
    std::int64_t n = 0;
    for (const Range& r : mine) n += std::clamp(token - r.begin, std::int64_t(0), r.size());
    return n;
  };
  TttPlan out = plan;
  for (TttEvent& e : out) e.tokens = {place(e.tokens.begin), place(e.tokens.end)};
  return out;
}

std::vector<Range> applied_rows(const TttPlan& plan, std::span<const Range> held) {
  std::vector<Range> out;
  std::int64_t before = 0;  // outputs of the events before
  for (const TttEvent& e : plan) {
    if (e.kind != TttEvent::apply) continue;
    for (const Range& r : held) {
      const Range both{std::max(r.begin, e.tokens.begin), std::min(r.end, e.tokens.end)};
      if (!both.empty()) out.push_back({both.begin - e.tokens.begin + before, both.end - e.tokens.begin + before});
    }
    before += e.tokens.size();
  }
  return out;
}

std::string text_of(const TttPlan& plan) {
  std::string out;
  for (const TttEvent& e : plan)
    out += fill("{}{}[{},{})",
                {out.empty() ? "" : " ", e.kind == TttEvent::update ? "U" : "A", e.tokens.begin, e.tokens.end});
  return out;
}

}  // namespace lact
