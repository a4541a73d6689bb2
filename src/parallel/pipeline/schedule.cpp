#include "parallel/pipeline/schedule.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.hpp"

namespace lact {
namespace {

// The compute of one rank in order. Micro-batches pass in groups of `ranks`: the whole group through one chunk, then
// through the next. After a warmup of forwards, forwards and backwards take turns.
PipelineList compute_of(const PipelineShape& s, int rank) {
  PipelineList forwards, backwards, out;
  for (int group = 0; group < s.micro_batches; group += s.ranks)
    for (int c = 0; c < s.chunks; ++c)
      for (int m = group; m < std::min(group + s.ranks, s.micro_batches); ++m) {
        forwards.push_back({PipelineAction::forward, c * s.ranks + rank, m, {}});
        backwards.push_back({PipelineAction::backward, (s.chunks - 1 - c) * s.ranks + rank, m, {}});
      }
  // enough to reach the last stage and come back; with chunks, to fill the earlier ones too
  int behind = s.ranks - 1 - rank;
  std::size_t warmup = std::size_t(s.chunks == 1 ? behind : 2 * behind + (s.chunks - 1) * s.ranks);
  for (std::size_t i = 0; i < forwards.size() + warmup; ++i) {
    if (i < forwards.size()) out.push_back(forwards[i]);
    if (i >= warmup && i - warmup < backwards.size()) out.push_back(backwards[i - warmup]);
  }
  return out;
}

// When everything would happen if a forward took 1 and a backward 2.
struct Timetable {
  std::vector<PipelineList> compute;   // by rank
  std::vector<std::vector<int>> ends;  // of those
};

Timetable timetable_of(const PipelineShape& s) {
  Timetable t{{}, std::vector<std::vector<int>>(std::size_t(s.ranks))};
  for (int r = 0; r < s.ranks; ++r) t.compute.push_back(compute_of(s, r));
  std::size_t pieces = std::size_t(s.stages()) * std::size_t(s.micro_batches);
  std::vector<int> unknown(pieces, -1);
  std::array<std::vector<int>, 2> made{unknown, unknown};  // activations and cotangents: when
  auto when = [&](PipelineMessage::Kind k, int stage, int micro) -> int& {
    return made[k][std::size_t(stage) * std::size_t(s.micro_batches) + std::size_t(micro)];
  };
  auto ready = [&](const PipelineAction& a) {  // -1: not yet known
    if (a.kind == PipelineAction::forward)
      return a.stage == 0 ? 0 : when(PipelineMessage::activation, a.stage - 1, a.micro);
    return a.stage + 1 == s.stages() ? 0 : when(PipelineMessage::cotangent, a.stage + 1, a.micro);
  };
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t r = 0; r < t.compute.size(); ++r)
      while (t.ends[r].size() < t.compute[r].size()) {
        const PipelineAction& a = t.compute[r][t.ends[r].size()];
        int since = ready(a);
        if (since < 0) break;
        bool forward = a.kind == PipelineAction::forward;
        int end = std::max(since, t.ends[r].empty() ? 0 : t.ends[r].back()) + (forward ? 1 : 2);
        when(forward ? PipelineMessage::activation : PipelineMessage::cotangent, a.stage, a.micro) = end;
        t.ends[r].push_back(end);
        moved = true;
      }
  }
  return t;
}

// Every message, sent right after the compute that made it, and received from the last moment before that at which the
// receiver is between two computes.
std::vector<PipelineList> with_exchanges(const PipelineShape& s, const Timetable& t) {
  struct Sent {
    int at;
    PipelineMessage message;
    int from;
  };
  std::vector<Sent> sent;
  for (int r = 0; r < s.ranks; ++r)
    for (std::size_t i = 0; i < t.compute[std::size_t(r)].size(); ++i) {
      const PipelineAction& a = t.compute[std::size_t(r)][i];
      bool forward = a.kind == PipelineAction::forward;
      int to = forward ? a.stage + 1 : a.stage - 1;
      if (to < 0 || to == s.stages()) continue;
      auto kind = forward ? PipelineMessage::activation : PipelineMessage::cotangent;
      sent.push_back({t.ends[std::size_t(r)][i], {kind, a.stage, a.micro, s.rank_of(to), true}, r});
    }
  std::ranges::stable_sort(sent, {}, &Sent::at);
  std::vector<std::vector<PipelineAction>> between;  // the exchange before each compute, and after the last
  for (const PipelineList& c : t.compute)
    between.emplace_back(c.size() + 1, PipelineAction{PipelineAction::exchange, 0, 0, {}});
  auto place = [&](int rank, int at) -> std::vector<PipelineMessage>& {
    const std::vector<int>& ends = t.ends[std::size_t(rank)];
    return between[std::size_t(rank)][std::size_t(std::ranges::upper_bound(ends, at) - ends.begin())].messages;
  };
  for (Sent& x : sent) {
    int to = x.message.peer;
    place(x.from, x.at).push_back(x.message);
    x.message.peer = x.from, x.message.send = false;
    place(to, x.at).push_back(x.message);
  }
  std::vector<PipelineList> lists(t.compute.size());
  for (std::size_t r = 0; r < lists.size(); ++r)
    for (std::size_t i = 0; i <= t.compute[r].size(); ++i) {
      if (!between[r][i].messages.empty()) lists[r].push_back(between[r][i]);
      if (i < t.compute[r].size()) lists[r].push_back(t.compute[r][i]);
    }
  return lists;
}

}  // namespace

std::vector<PipelineList> pipeline_lists(const PipelineShape& shape) {
  check(shape.ranks > 0 && shape.micro_batches > 0 && shape.chunks > 0,
        "a pipeline of {} ranks with {} micro-batches and {} chunks", shape.ranks, shape.micro_batches, shape.chunks);
  check(shape.chunks == 1 || (shape.ranks > 1 && shape.micro_batches % shape.ranks == 0),
        "an interleaved pipeline needs micro-batches in multiples of its ranks, and there are {} for {}",
        shape.micro_batches, shape.ranks);
  return with_exchanges(shape, timetable_of(shape));
}

std::string text_of(const PipelineList& list) {
  std::string out;
  for (const PipelineAction& a : list) {
    if (!out.empty()) out += " ";
    if (a.kind != PipelineAction::exchange) {
      out += fill("{}{}.{}", {a.kind == PipelineAction::forward ? "F" : "B", a.micro, a.stage});
      continue;
    }
    std::string inside;
    for (const PipelineMessage& m : a.messages)
      inside += fill("{}{}{}{}.{}", {inside.empty() ? "" : " ", m.send ? ">" : "<",
                                     m.kind == PipelineMessage::activation ? "a" : "c", m.micro, m.stage});
    out += "[" + inside + "]";
  }
  return out;
}

int peak_live(const PipelineList& list) {
  int live = 0, peak = 0;
  for (const PipelineAction& a : list) {
    if (a.kind == PipelineAction::forward) peak = std::max(peak, ++live);
    if (a.kind == PipelineAction::backward) --live;
  }
  return peak;
}

double pipeline_bubble(const PipelineShape& s) {
  return double(s.ranks - 1) / double(std::int64_t(s.chunks) * s.micro_batches + s.ranks - 1);
}

std::vector<Range> split_blocks(std::span<const double> costs, double first, double last, int stages) {
  auto blocks = std::int64_t(costs.size());
  check(stages > 0 && blocks >= stages, "{} blocks do not make {} stages of at least one", blocks, stages);
  auto index = [](std::int64_t i) { return std::size_t(i); };
  std::vector<double> sum(index(blocks + 1));  // of the blocks before
  for (std::int64_t b = 0; b < blocks; ++b) sum[index(b + 1)] = sum[index(b)] + costs[index(b)];
  auto cost = [&](int stage, std::int64_t begin, std::int64_t end) {
    return sum[index(end)] - sum[index(begin)] + (stage == 0 ? first : 0) + (stage == stages - 1 ? last : 0);
  };
  constexpr double never = std::numeric_limits<double>::infinity();
  // best[s][b]: the dearest of the stages s, s + 1, ... when they share the blocks b, b + 1, ...
  std::vector<std::vector<double>> best(index(stages + 1), std::vector<double>(index(blocks + 1), never));
  best[index(stages)][index(blocks)] = 0;
  for (int s = stages; s-- > 0;)
    for (std::int64_t b = blocks; b-- > 0;)
      for (std::int64_t end = b + 1; end <= blocks; ++end)
        best[index(s)][index(b)] =
            std::min(best[index(s)][index(b)], std::max(cost(s, b, end), best[index(s + 1)][index(end)]));
  std::vector<Range> split;
  for (int s = 0; s < stages; ++s) {
    std::int64_t begin = split.empty() ? 0 : split.back().end, end = begin + 1;
    while (std::max(cost(s, begin, end), best[index(s + 1)][index(end)]) > best[0][0]) ++end;
    split.push_back({begin, end});
  }
  return split;
}

}  // namespace lact
