// Linear maps and norms with parameters.
#pragma once
#include "autograd/ops.hpp"
#include "layers/parameters/scope.hpp"

namespace lact {

// How the weight of a linear map is split over tp. Columns: each rank makes its part of the output channels, `blocks`
// of them stacked (q, k, v). Rows: each rank takes its part of the input channels, and the products are partial sums.
enum class LinearSplit : std::uint8_t { none, columns, rows };

class Linear {  // y = x W^T + b; parameters "weight" [out, in] and, if asked, "bias" [out] (zero)
 public:
  Linear(Scope s, std::int64_t in, std::int64_t out, Init weight, bool bias = false,
         LinearSplit split = LinearSplit::none, std::int64_t blocks = 1);
  // With rows split: this rank's part of the sum; the bias is in the part of the first rank.
  Var operator()(Ctx& c, const Var& x) const;
  bool biased() const { return bias_ != nullptr; }
  Var weight(Ctx& c) const { return use(c, weight_); }

 private:
  const Parameter& weight_;
  const Parameter* bias_;
  bool partial_;
};

class RmsNorm {  // over the last dim; "weight" [d]
 public:
  RmsNorm(Scope s, std::int64_t d, double eps) : weight_(s.parameter("weight", {d}, constant(1))), eps_(eps) {}
  Var operator()(Ctx& c, const Var& x) const { return rms_norm(x, use(c, weight_), eps_); }
  Var weight(Ctx& c) const { return use(c, weight_); }

 private:
  const Parameter& weight_;
  double eps_;
};

class LayerNorm {  // over the last dim, no bias; "weight" [d]
 public:
  LayerNorm(Scope s, std::int64_t d, double eps = 1e-5) : weight_(s.parameter("weight", {d}, constant(1))), eps_(eps) {}
  Var operator()(Ctx& c, const Var& x) const { return layer_norm(x, use(c, weight_), eps_); }
  // {x + y, its norm}; {x, its norm} without y.
  std::vector<Var> after_sum(Ctx& c, const Var& x, const Var& y) const {
    return add_layer_norm(x, y, use(c, weight_), eps_);
  }

 private:
  const Parameter& weight_;
  double eps_;
};

}  // namespace lact
