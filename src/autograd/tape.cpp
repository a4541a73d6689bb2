#include "autograd/tape.hpp"

#include <algorithm>

#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/pointwise.hpp"

namespace lact {
namespace {

Tape* common_tape(std::string_view name, std::span<const Var> in) {
  Tape* tape = nullptr;
  for (const Var& x : in) {
    if (x.tape() == nullptr) continue;
    check(tape == nullptr || tape == x.tape(), "{} mixes values of the tapes '{}' and '{}'", name,
          tape ? tape->name() : "", x.tape()->name());
    tape = x.tape();
  }
  return tape != nullptr && tape->recording() ? tape : nullptr;
}

struct Restored {  // to what it was, also when a pullback fails
  bool& flag;
  bool before;
  Restored(bool& f, bool now) : flag(f), before(f) { flag = now; }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;
  ~Restored() { flag = before; }
};

}  // namespace

struct Tape::Gradients {
  std::vector<Var> of;
  std::vector<bool> owned;  // made here by a sum, seen by nobody else: may be added to in place

  void add(std::size_t id, const Var& g, bool differentiable) {
    if (!g) return;
    if (id >= of.size()) of.resize(id + 1), owned.resize(id + 1);
    if (!of[id]) {
      of[id] = g;
    } else if (owned[id] && !differentiable && g.value().contiguous()) {
      kernels::add_to(of[id].value(), g.value());
    } else {
      of[id] = lact::add(of[id], g);
      owned[id] = !differentiable;
    }
  }
  // What the caller gives: followed back only by a differentiable pass.
  void seed(const Tape& tape, std::span<const Var> ys, std::span<const Var> dys, bool differentiable) {
    check(ys.size() == dys.size(), "{} values and {} cotangents", ys.size(), dys.size());
    for (std::size_t i = 0; i < ys.size(); ++i) {
      if (ys[i].tape_ != &tape || !dys[i]) continue;
      check(dys[i].shape() == ys[i].shape(), "a cotangent of shape {} for a value of shape {}", text_of(dys[i].shape()),
            text_of(ys[i].shape()));
      tape.check_type(ys[i].id_, dys[i], "the caller");
      add(std::size_t(ys[i].id_), differentiable ? dys[i] : Var(dys[i].value()), differentiable);
    }
  }
  Var take(std::size_t id) {
    if (id >= of.size()) return {};
    owned[id] = false;
    return std::move(of[id]);
  }
};

Var ones_like(const Var& y) {
  Tensor t = like(y.value());
  kernels::fill(t, 1);
  return t;
}

Var op(std::string_view name, Tensor y, std::vector<Var> in, Pullback back, Rule rule) {
  if (common_tape(name, in) == nullptr) return y;
  // The closure learns its own result after the node exists, so that y carries its place on the tape.
  auto result = back.keeps_y_ ? std::make_shared<Var>() : nullptr;
  auto many = [f = std::move(back.f_), result](std::span<const Var> dys) {
    return f(dys[0], result ? *result : Var());
  };
  Var out = op_many(name, {std::move(y)}, std::move(in), std::move(many), rule)[0];
  if (result) *result = out;
  return out;
}

std::vector<Var> op_many(std::string_view name, std::vector<Tensor> ys, std::vector<Var> in, PullbackMany back,
                         Rule rule) {
  Tape* tape = common_tape(name, in);
  if (tape == nullptr) return {ys.begin(), ys.end()};
  Tape::Node node;
  node.name = name;
  node.first = int(tape->producer_.size());
  node.outputs = int(ys.size());
  node.back = std::move(back);
  node.rule = rule;
  for (const Var& x : in) node.inputs.push_back(x.id_);
  std::vector<Var> out;
  for (Tensor& y : ys) out.push_back(tape->track(std::move(y)));
  if (rule == Rule::collective)
    for (const Var& y : out) node.blanks.push_back({y.shape(), y.value().dtype(), &y.value().device()});
  tape->nodes_.push_back(std::move(node));
  return out;
}

std::vector<Var> fused_many(std::string_view name, std::vector<Tensor> ys, std::vector<Var> in, PullbackMany fast,
                            DefinitionMany slow) {
  Tape* tape = common_tape(name, in);
  if (tape == nullptr) return {ys.begin(), ys.end()};
  auto back = [tape, in, fast = std::move(fast), slow = std::move(slow)](std::span<const Var> dys) -> Grads {
    if (fast && !tape->recording()) return fast(dys);
    if (tape->recording()) {  // aliases: partial derivatives also where one input was computed from another
      std::vector<Var> alias;
      for (const Var& x : in) alias.push_back(op("alias", x.value(), {x}, [](const Var& dy) { return Grads{dy}; }));
      return tape->grad(slow(alias), alias, dys, true);
    }
    Tape own("definition");  // first derivative without a fast form
    std::vector<Var> leaves;
    for (const Var& x : in) leaves.push_back(own.leaf(x.value()));
    return own.grad(slow(leaves), leaves, dys);
  };
  return op_many(name, std::move(ys), std::move(in), std::move(back));
}

Var fused(std::string_view name, Tensor y, std::vector<Var> in, FastPullback fast, Definition slow) {
  PullbackMany fast_many;
  if (fast) fast_many = [fast = std::move(fast)](std::span<const Var> dys) { return fast(dys[0]); };
  return fused_many(name, {std::move(y)}, std::move(in), std::move(fast_many),
                    [slow = std::move(slow)](std::span<const Var> x) { return std::vector<Var>{slow(x)}; })[0];
}

Var Tape::track(Tensor value) {
  Var v(std::move(value));
  v.tape_ = this;
  v.id_ = int(producer_.size());
  producer_.push_back(int(nodes_.size()));
  types_.push_back(v.value().defined() ? std::optional(v.value().dtype()) : std::nullopt);
  return v;
}

void Tape::check_type(int id, const Var& gradient, std::string_view giver) const {
  const std::optional<DType> type = types_[std::size_t(id)];
  check(!gradient || !type || gradient.value().dtype() == *type, "{} gives a {} gradient of {} numbers", giver,
        gradient ? name_of(gradient.value().dtype()) : "", type ? name_of(*type) : "");
}

Var Tape::leaf(Tensor value, Sink on_gradient) {
  Var v = track(std::move(value));
  Node node;
  node.name = "leaf";
  node.first = v.id_;
  node.sink = std::move(on_gradient);
  nodes_.push_back(std::move(node));
  return v;
}

void Tape::pull(Node& node, Gradients& g, bool differentiable, bool free_closure) {
  std::vector<Var> dys;
  bool any = false;
  for (int i = 0; i < node.outputs; ++i) {
    dys.push_back(g.take(std::size_t(node.first + i)));
    any = any || bool(dys.back());
  }
  if (any || node.rule == Rule::collective) {
    for (std::size_t i = 0; node.rule == Rule::collective && i < dys.size(); ++i) {
      if (dys[i]) continue;
      const Blank& b = node.blanks[i];
      Tensor zero = Tensor::empty(*b.device, b.shape, b.type);
      kernels::fill(zero, 0);
      dys[i] = zero;
    }
    Grads grads = node.back(dys);
    check(grads.size() == node.inputs.size(), "the pullback of {} gave {} gradients for {} inputs", node.name,
          grads.size(), node.inputs.size());
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (node.inputs[i] < 0) continue;
      // a sum of bf16 numbers travels in f32, from finish to begin
      if (node.rule != Rule::collective) check_type(node.inputs[i], grads[i], node.name);
      g.add(std::size_t(node.inputs[i]), grads[i], differentiable);
    }
  }
  if (free_closure) node.back = nullptr, node.blanks.clear();
}

std::vector<Var> Tape::grad(const Var& y, std::span<const Var> x, const Var& dy, bool differentiable) {
  return grad(std::span(&y, 1), x, std::span(&dy, 1), differentiable);
}

std::vector<Var> Tape::grad(std::span<const Var> ys, std::span<const Var> x, std::span<const Var> dys,
                            bool differentiable) {
  std::vector<bool> needed(producer_.size());  // values that depend on some x
  int first = int(nodes_.size());
  for (const Var& v : x) {
    if (v.tape_ != this) continue;
    needed[std::size_t(v.id_)] = true;
    first = std::min(first, producer_[std::size_t(v.id_)]);
  }
  int last = -1;
  for (const Var& y : ys)
    if (y.tape_ == this) last = std::max(last, producer_[std::size_t(y.id_)]);
  for (int n = first; n <= last; ++n) {
    const Node& node = nodes_[std::size_t(n)];
    if (!std::ranges::any_of(node.inputs, [&](int id) { return id >= 0 && needed[std::size_t(id)]; })) continue;
    for (int i = 0; i < node.outputs; ++i) needed[std::size_t(node.first + i)] = true;
  }
  Gradients g;
  g.seed(*this, ys, dys, differentiable);
  std::vector<Var> out(x.size());
  Restored recording(recording_, differentiable);
  for (int n = last; n >= first; --n) {
    Node& node = nodes_[std::size_t(n)];
    for (std::size_t i = 0; i < x.size(); ++i) {  // an x may be an inner value: keep its gradient as it passes
      if (x[i].tape_ != this || producer_[std::size_t(x[i].id_)] != n) continue;
      auto id = std::size_t(x[i].id_);
      if (id < g.of.size()) out[i] = g.of[id], g.owned[id] = false;
    }
    if (node.back && needed[std::size_t(node.first)]) pull(node, g, differentiable, false);
  }
  return out;
}

void Tape::backward(std::span<const Var> ys, std::span<const Var> dys) {
  Gradients g;
  g.seed(*this, ys, dys, false);
  Restored recording(recording_, false);
  for (int n = int(nodes_.size()) - 1; n >= 0; --n) {
    Node& node = nodes_[std::size_t(n)];
    if (node.sink)
      node.sink(g.take(std::size_t(node.first)));
    else if (node.back)
      pull(node, g, false, true);
  }
}

}  // namespace lact
