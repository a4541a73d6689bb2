// Reverse-mode differentiation of any order: an op is a value, a name, inputs and a pullback written in ops.
#pragma once
#include <concepts>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.hpp"

namespace lact {

class Tape;
class Var;
using Grads = std::vector<Var>;  // one per input; empty means zero
using PullbackMany = std::function<Grads(std::span<const Var> dys)>;
enum class Rule : std::uint8_t { local, collective };  // a collective pulls back even a zero: its peers wait for it

class Var {  // a value and, if somebody may ask for its gradient, a place on a tape
 public:
  Var() = default;
  Var(Tensor constant) : value_(std::make_shared<const Tensor>(std::move(constant))) {}
  const Tensor& value() const { return *value_; }
  const Shape& shape() const { return value_->shape(); }
  std::int64_t dim(int i) const { return value_->dim(i); }
  explicit operator bool() const { return value_ != nullptr; }  // an empty Var is a zero gradient
  Tape* tape() const { return tape_; }                          // null for a constant

 private:
  friend class Tape;
  friend std::vector<Var> op_many(std::string_view, std::vector<Tensor>, std::vector<Var>, PullbackMany, Rule);
  std::shared_ptr<const Tensor> value_;
  Tape* tape_ = nullptr;
  int id_ = -1;
};

// dy -> Grads, or (dy, y) -> Grads. The second form keeps y alive, the first does not.
class Pullback {
 public:
  template <std::invocable<const Var&> F>
  Pullback(F f) : f_([f = std::move(f)](const Var& dy, const Var&) { return f(dy); }) {}
  template <std::invocable<const Var&, const Var&> F>
  Pullback(F f) : f_(std::move(f)), keeps_y_(true) {}

 private:
  friend Var op(std::string_view, Tensor, std::vector<Var>, Pullback, Rule);
  std::function<Grads(const Var&, const Var&)> f_;
  bool keeps_y_ = false;
};
using Definition = std::function<Var(std::span<const Var>)>;  // the same thing in smaller ops
using DefinitionMany = std::function<std::vector<Var>(std::span<const Var>)>;

// Records nothing when no input is tracked or the tape does not record. Inputs on two tapes are an error naming both.
Var op(std::string_view name, Tensor y, std::vector<Var> in, Pullback back, Rule rule = Rule::local);
std::vector<Var> op_many(std::string_view name, std::vector<Tensor> ys, std::vector<Var> in, PullbackMany back,
                         Rule rule = Rule::local);
// A fused op carries its definition: `fast` serves the first derivative, `slow` serves every other, and is the test
// oracle. Without `fast` the definition serves all.
using FastPullback = std::function<Grads(const Var& dy)>;
Var fused(std::string_view name, Tensor y, std::vector<Var> in, FastPullback fast, Definition slow);
std::vector<Var> fused_many(std::string_view name, std::vector<Tensor> ys, std::vector<Var> in, PullbackMany fast,
                            DefinitionMany slow);

class Tape {  // program order is the order; reverse program order is the backward pass
 public:
  // Called once per backward pass at the leaf's place, also with an empty gradient.
  using Sink = std::function<void(const Var& gradient)>;

  explicit Tape(std::string name = "tape") : name_(std::move(name)) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  Var leaf(Tensor value, Sink on_gradient = {});
  // d<y, dy>/dx for each x (empty: does not depend on it). The tape stays as it is; with `differentiable` the gradients
  // are tracked too.
  std::vector<Var> grad(const Var& y, std::span<const Var> x, const Var& dy, bool differentiable = false);
  std::vector<Var> grad(std::span<const Var> ys, std::span<const Var> x, std::span<const Var> dys,
                        bool differentiable = false);
  // Walks the whole tape, feeds the sinks, and frees closures as it passes: once per tape.
  void backward(std::span<const Var> ys, std::span<const Var> dys);
  void backward(const Var& y, const Var& dy) { backward(std::span(&y, 1), std::span(&dy, 1)); }

  bool recording() const { return recording_; }
  std::size_t size() const { return nodes_.size(); }
  const std::string& name() const { return name_; }

 private:
  friend std::vector<Var> op_many(std::string_view, std::vector<Tensor>, std::vector<Var>, PullbackMany, Rule);
  struct Blank {  // what a tensor is, without its numbers
    Shape shape;
    DType type;
    Device* device;
  };
  struct Node {
    std::string_view name;
    std::vector<int> inputs;     // value ids, -1 for constants
    int first = 0, outputs = 1;  // value ids of the results
    PullbackMany back;
    Rule rule = Rule::local;
    Sink sink;
    std::vector<Blank> blanks;  // of the zero cotangents of a collective
  };
  struct Gradients;  // cotangents by value id while a pass runs
  Var track(Tensor value);
  // A gradient has the type of what it belongs to, so sums of gradients never mix types.
  void check_type(int id, const Var& gradient, std::string_view giver) const;
  void pull(Node& node, Gradients& g, bool differentiable, bool free_closure);

  std::string name_;
  std::deque<Node> nodes_;                   // a deque: pullbacks may record while a node is being read
  std::vector<int> producer_;                // value id -> node
  std::vector<std::optional<DType>> types_;  // value id -> type; none for a value without numbers
  bool recording_ = true;
};

// Ones of y's shape: the usual first cotangent.
Var ones_like(const Var& y);

}  // namespace lact
