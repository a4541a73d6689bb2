#include "layers/attention/span_attention.hpp"

#include <algorithm>
#include <map>

#include "autograd/collectives.hpp"
#include "base/check.hpp"

namespace lact {
namespace {

struct Piece {  // tokens of one span on one rank, or whole spans side by side
  std::int64_t first_span = 0, spans = 1;
  Range within;  // tokens counted from the begin of the first span
  Range rows;    // places among the rank's tokens
};

bool is_whole(const Piece& p, std::int64_t span) { return p.within.size() == p.spans * span; }

std::vector<Piece> pieces_of(const std::vector<Range>& held, std::int64_t span) {
  std::vector<Piece> out;
  std::int64_t row = 0;
  for (const Range& r : held) {
    for (std::int64_t at = r.begin; at < r.end;) {
      std::int64_t begin = at / span * span, end = std::min(r.end, begin + span);
      bool whole = at == begin && end == begin + span;
      if (whole) end = begin + (r.end - begin) / span * span;
      out.push_back({begin / span,
                     std::max<std::int64_t>(1, (end - begin) / span),
                     {at - begin, end - begin},
                     {row, row + end - at}});
      row += end - at;
      at = end;
    }
  }
  return out;
}

Var rows(const Var& x, Range r) { return r.size() == x.dim(2) ? x : cut(x, 2, r); }

// [b, h, n span, d] -> [b n, h, span, d] and back
Var folded(const Var& x, std::int64_t n) {
  std::int64_t b = x.dim(0), h = x.dim(1), span = x.dim(2) / n, d = x.dim(3);
  return view(permute(view(x, {b, h, n, span, d}), {0, 2, 1, 3, 4}), {b * n, h, span, d});
}
Var unfolded(const Var& x, std::int64_t b) {
  std::int64_t n = x.dim(0) / b, h = x.dim(1), span = x.dim(2), d = x.dim(3);
  return view(permute(view(x, {b, n, h, span, d}), {0, 2, 1, 3, 4}), {b, h, n * span, d});
}

using Pieces = std::map<std::int64_t, std::vector<Piece>>;  // by span

Pieces cut_pieces(const std::vector<Range>& held, std::int64_t span) {
  Pieces out;
  for (const Piece& p : pieces_of(held, span))
    if (!is_whole(p, span)) out[p.first_span].push_back(p);
  return out;
}

// Keys and values of the cut spans: what other ranks hold of the spans that this rank holds a part of.
class CutSpans {
 public:
  CutSpans(Ctx& c, const Heads& x, const TokenLayout& tokens, std::int64_t span) : x_(x) {
    std::vector<Pieces> held;
    for (const auto& ranges : tokens.of_rank) held.push_back(cut_pieces(ranges, span));
    const auto me = std::size_t(tokens.cp_rank);
    std::vector<Sent> sent;
    std::vector<Wanted> wanted;
    for (std::size_t r = 0; r < held.size(); ++r) {
      for (const auto& [s, mine] : held[me]) {
        if (r == me || !held[r].contains(s)) continue;
        for (const Piece& p : mine)
          sent.push_back({rows(x.k, p.rows), int(r)}), sent.push_back({rows(x.v, p.rows), int(r)});
        for (const Piece& p : held[r].at(s)) {
          Shape shape = x.k.shape();
          shape[2] = p.rows.size();
          wanted.insert(wanted.end(), 2, {shape, int(r)});
        }
      }
    }
    unpack(exchange(x.k, sent, wanted, c.mesh.along(Axis::cp)), held, me);
  }

  Var attend(const Piece& p, double scale, Mask mask) const {
    std::vector<Part> in_order = parts_.at(p.first_span);
    std::ranges::sort(in_order, {}, &Part::begin);
    std::vector<Var> ks, vs;
    for (const Part& part : in_order) ks.push_back(part.k), vs.push_back(part.v);
    Var q = rows(x_.q, p.rows), k = join(ks, 2), v = join(vs, 2);
    if (!mask.causal) return attention(q, k, v, scale, mask);
    // A causal mask takes query i and key i for the same token, so the queries begin with zeros for the tokens of the
    // span before this part; their results are left out.
    Var all = pad(q, 2, p.within, p.within.end);
    Range seen{0, p.within.end};
    return rows(attention(all, rows(k, seen), rows(v, seen), scale, mask), p.within);
  }

 private:
  // Parts of a span in the order of ranks; a rank's own stay where they are.
  void unpack(const std::vector<Var>& came, const std::vector<Pieces>& held, std::size_t me) {
    auto next = came.begin();
    for (std::size_t r = 0; r < held.size(); ++r) {
      for (const auto& [s, mine] : held[me]) {
        if (!held[r].contains(s)) continue;
        for (const Piece& p : held[r].at(s)) {
          Var k = r == me ? rows(x_.k, p.rows) : *next++;
          Var v = r == me ? rows(x_.v, p.rows) : *next++;
          parts_[s].push_back({p.within.begin, k, v});
        }
      }
    }
  }

  struct Part {
    std::int64_t begin = 0;
    Var k, v;
  };
  Heads x_;
  std::map<std::int64_t, std::vector<Part>> parts_;  // by span
};

}  // namespace

Var span_attention(Ctx& c, const Heads& x, const TokenLayout& tokens, std::int64_t span, double scale, Mask mask) {
  CutSpans cut_spans(c, x, tokens, span);
  std::vector<Var> out;
  for (const Piece& p : pieces_of(tokens.mine(), span)) {
    if (!is_whole(p, span)) {
      out.push_back(cut_spans.attend(p, scale, mask));
    } else {
      Var q = folded(rows(x.q, p.rows), p.spans), k = folded(rows(x.k, p.rows), p.spans),
          v = folded(rows(x.v, p.rows), p.spans);
      out.push_back(unfolded(attention(q, k, v, scale, mask), x.q.dim(0)));
    }
  }
  if (out.empty()) out.push_back(cut(x.q, 2, {0, 0}));
  return join(out, 2);
}

}  // namespace lact
