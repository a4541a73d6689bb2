#include "layers/fast_weights/owned_units.hpp"

#include "autograd/ops.hpp"
#include "layers/fast_weights/share_units.hpp"

namespace lact {
namespace {

constexpr std::array<int, 3> hidden_dim = {2, 1, 2};  // of [n, d, dh], [n, dh, d], [n, d, dh]

std::array<Var, 3> kinds(const FastWeights& w) { return {w.w0, w.w1, w.w2}; }
Var flat(const Var& x) { return view(x, {x.value().count()}); }
Shape with_items(Shape s, std::int64_t n) {
  s[0] = n;
  return s;
}

// Neighbouring parts of one long vector.
class Reader {
 public:
  explicit Reader(const Var& x) : x_(x) {}
  Var next(const Shape& s) {
    Range r{at_, at_ + count_of(s)};
    at_ = r.end;
    return view(cut(x_, 0, r), s);
  }

 private:
  const Var& x_;
  std::int64_t at_ = 0;
};

}  // namespace

OwnedUnits::OwnedUnits(Ctx& c, const FastWeights& held, bool over_cp, bool hidden_split, bool join_gates)
    : cp_line_(c.mesh.along(over_cp ? Axes(Axis::cp) : Axes())),
      tp_line_(c.mesh.along(hidden_split ? Axes(Axis::tp) : Axes())),
      cp_(std::size_t(cp_line_.size())),
      tp_(std::size_t(tp_line_.size())),
      cp_rank_(std::size_t(cp_line_.rank())),
      tp_rank_(std::size_t(tp_line_.rank())),
      items_(cp_ * tp_) {
  if (cp_ * tp_ == 1) return;  // nothing travels, and whatever uses the weights judges their shapes
  std::vector<OrthogonalUnit> units;
  batch_ = held.w0.dim(0);
  auto all = kinds(held);
  for (std::size_t k = 0; k < 3; ++k) {
    piece_[k] = with_items(all[k].shape(), 1);
    Shape whole = piece_[k];
    whole[std::size_t(hidden_dim[k])] *= std::int64_t(tp_);
    if (join_gates && k == 0) whole[2] *= 2;
    if (!join_gates || k < 2) units.insert(units.end(), std::size_t(batch_), {whole[1], whole[2]});
  }
  std::vector<int> owner = share_units(units, int(cp_ * tp_));
  for (std::size_t u = 0; u < owner.size(); ++u)
    items_[std::size_t(owner[u])][u / std::size_t(batch_)].push_back(std::int64_t(u) % batch_);
  if (join_gates)
    for (Kinds& owned : items_) owned[2] = owned[0];
  for (std::size_t r = 0; r < cp_; ++r) {
    std::int64_t n = 0;
    for (std::size_t t = 0; t < tp_; ++t) n += numbers(r, t);
    cp_counts_.push_back(n);
  }
}

std::int64_t OwnedUnits::numbers(std::size_t cp_rank, std::size_t tp_rank) const {
  std::int64_t n = 0;
  for (std::size_t k = 0; k < 3; ++k) n += std::int64_t(items(cp_rank, tp_rank)[k].size()) * count_of(piece_[k]);
  return n;
}

// What this rank holds of the matrices owned by the ranks of one place in cp: by owner, kind, item.
Var OwnedUnits::packed(const FastWeights& held, std::size_t cp_rank) const {
  auto all = kinds(held);
  std::vector<Var> parts{flat(cut(held.w0, 0, {0, 0}))};
  for (std::size_t t = 0; t < tp_; ++t)
    for (std::size_t k = 0; k < 3; ++k)
      for (std::int64_t i : items(cp_rank, t)[k]) parts.push_back(flat(cut(all[k], 0, {i, i + 1})));
  return join(parts, 0);
}

// Towards the owners: sends each rank of tp this rank's piece of the matrices that it owns, and gets all ranks' pieces
// of those owned here. Otherwise the way back.
Var OwnedUnits::over_tp(const Var& x, bool to_owners) const {
  if (tp_ == 1) return x;
  Reader reader(x);
  std::vector<Var> parts;
  std::vector<Sent> sent;
  std::vector<Wanted> wanted;
  for (std::size_t t = 0; t < tp_; ++t) {
    Shape theirs{numbers(cp_rank_, t)}, own{numbers(cp_rank_, tp_rank_)};
    parts.push_back(reader.next(to_owners ? theirs : own));
    if (t == tp_rank_) continue;
    sent.push_back({parts.back(), int(t)});
    wanted.push_back({to_owners ? own : theirs, int(t)});
  }
  std::vector<Var> came = exchange(x, sent, wanted, tp_line_);
  came.insert(came.begin() + std::ptrdiff_t(tp_rank_), parts[tp_rank_]);
  return join(came, 0);
}

// The pieces of the matrices of this place in cp -> this rank's own matrices, whole.
FastWeights OwnedUnits::assembled(const Var& mine) const {
  Var came = over_tp(mine, true);
  Reader reader(came);
  std::array<std::vector<Var>, 3> pieces;
  for (std::size_t t = 0; t < tp_; ++t)
    for (std::size_t k = 0; k < 3; ++k) {
      auto n = std::int64_t(items(cp_rank_, tp_rank_)[k].size());
      pieces[k].push_back(reader.next(with_items(piece_[k], n)));
    }
  return {join(pieces[0], hidden_dim[0]), join(pieces[1], hidden_dim[1]), join(pieces[2], hidden_dim[2])};
}

FastWeights OwnedUnits::own(const FastWeights& held) const {
  return cp_ * tp_ == 1 ? held : assembled(packed(held, cp_rank_));
}

OwnedUnits::Sum OwnedUnits::begin_sum(const FastWeights& parts) const {
  if (cp_ * tp_ == 1) return {parts, {}};
  std::vector<Var> all;
  for (std::size_t r = 0; r < cp_; ++r) all.push_back(packed(parts, r));
  return {{}, begin_scatter_sum(join(all, 0), 0, cp_line_, cp_counts_)};
}

FastWeights OwnedUnits::finish_sum(Sum s) const {
  return cp_ * tp_ == 1 ? s.alone : assembled(finish(std::move(s.parts)));
}

FastWeights OwnedUnits::publish(const FastWeights& own) const {
  if (cp_ * tp_ == 1) return own;
  auto whole = kinds(own);
  std::vector<Var> parts;
  for (std::size_t t = 0; t < tp_; ++t)
    for (std::size_t k = 0; k < 3; ++k) {
      std::int64_t width = piece_[k][std::size_t(hidden_dim[k])];
      auto at = std::int64_t(t) * width;
      parts.push_back(flat(tp_ == 1 ? whole[k] : cut(whole[k], hidden_dim[k], {at, at + width})));
    }
  Var mine = join(parts, 0);
  mine = over_tp(mine, false);
  Var everything = gather(mine, 0, cp_line_, cp_counts_);
  Reader reader(everything);
  std::array<std::vector<Var>, 3> items_in_order;
  for (auto& list : items_in_order) list.resize(std::size_t(batch_));
  if (batch_ == 0)
    for (std::size_t k = 0; k < 3; ++k) items_in_order[k].push_back(reader.next(with_items(piece_[k], 0)));
  for (const Kinds& owned : items_)
    for (std::size_t k = 0; k < 3; ++k)
      for (std::int64_t i : owned[k]) items_in_order[k][std::size_t(i)] = reader.next(piece_[k]);
  return {join(items_in_order[0], 0), join(items_in_order[1], 0), join(items_in_order[2], 0)};
}

Var OwnedUnits::of_own(const Var& per_item, int kind) const {
  if (cp_ * tp_ == 1) return per_item;
  std::vector<Var> own{cut(per_item, 0, {0, 0})};
  for (std::int64_t i : items(cp_rank_, tp_rank_)[std::size_t(kind)]) own.push_back(cut(per_item, 0, {i, i + 1}));
  return join(own, 0);
}

}  // namespace lact
