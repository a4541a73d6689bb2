#include <bit>
#include <cmath>

#include "base/check.hpp"
#include "kernels/update.hpp"
#include "layers/linear.hpp"
#include "layers/losses.hpp"
#include "optim/adamw.hpp"
#include "optim/learning_rate.hpp"
#include "verify/golden/formula.hpp"

namespace lact::golden {
namespace {

Tensor doubles(Case& c, const std::vector<double>& v, Shape s) {
  return Tensor::of(c.device(), std::move(s), std::span<const double>(v), DType::f64);
}

template <class F>
void formula_case(Case& c, const std::vector<std::string>& names, F&& f) {
  Inputs inputs(c, names);
  compare_formula(c, inputs, {{"o", f(inputs.in)}});
}

}  // namespace

void adamw_case(Case& c) {
  AdamWConfig cfg{.beta1 = c.number("beta1", 0.9),
                  .beta2 = c.number("beta2", 0.95),
                  .eps = c.number("eps", 1e-8),
                  .weight_decay = c.number("weight_decay", 0)};
  Tensor start = c.input("in.param"), grads = c.input("in.grads");
  std::int64_t steps = grads.dim(0), n = grads.dim(1);
  ParameterStore store;
  const Parameter& p = Scope(store).parameter("param", {1, n}, constant(0));  // two dims, so that it decays
  store.lay_out(c.device(), c.mesh(), 0);
  copy_bytes(store.value(p).view({n}), start);
  AdamW optimizer(store, c.mesh(), c.device(), cfg);
  const double lr = c.number("lr", 1e-3);
  const Tensor sums = Tensor::zeros(c.device(), {2}, DType::f64),
               rate = Tensor::of(c.device(), {1}, std::span<const double>(&lr, 1), DType::f64);
  std::vector<double> params, first, second;
  auto append = [](std::vector<double>& to, const Tensor& t) {
    std::vector<double> v = t.to_doubles();
    to.insert(to.end(), v.begin(), v.end());
  };
  for (std::int64_t s = 0; s < steps; ++s) {
    copy_bytes(store.gradient(p).view({n}), grads.select(0, s));
    optimizer.step(rate, sums, {});
    auto& b = store.buckets()[p.bucket];
    append(params, store.value(p)), append(first, store.piece(b.first, p)), append(second, store.piece(b.second, p));
  }
  c.compare("out.params", doubles(c, params, {steps, n}), Kind::output);
  c.compare("out.exp_avg", doubles(c, first, {steps, n}), Kind::output);
  c.compare("out.exp_avg_sq", doubles(c, second, {steps, n}), Kind::output);
}

void schedule_case(Case& c) {
  double peak = c.hparams()["peak_lr"].number(), floor = c.number("min_ratio", 0);
  std::int64_t warmup = c.hparams()["warmup_steps"].integer(), total = c.hparams()["total_steps"].integer();
  std::vector<double> zero, min;
  for (double s : c.input("in.step", DType::i32).to_doubles()) {
    zero.push_back(cosine_rate(std::int64_t(s), peak, warmup, total));
    min.push_back(cosine_rate(std::int64_t(s), peak, warmup, total, floor));
  }
  auto n = std::int64_t(zero.size());
  c.compare_if_present("out.lr_to_zero", doubles(c, zero, {n}), Kind::output);
  c.compare_if_present("out.lr_to_min", doubles(c, min, {n}), Kind::output);
}

void clip_case(Case& c) {
  ParameterStore store;
  std::vector<const Parameter*> grads;
  for (int i = 0; c.has("in.grad" + std::to_string(i)); ++i) {
    std::string name = "grad" + std::to_string(i);
    grads.push_back(&Scope(store).parameter(name, c.shape("in." + name), constant(0)));
  }
  store.lay_out(c.device(), c.mesh(), 0);
  for (const Parameter* p : grads) copy_bytes(store.gradient(*p), c.input("in." + p->name));
  double norm = gradient_norm(store);
  c.compare("out.total_norm", doubles(c, {norm}, {1}), Kind::output);
  for (const std::string way : {"active", "inactive"}) {
    if (!c.hparams().has("max_norm_" + way)) continue;
    double factor = kernels::scalar::clip_scale(norm, c.hparams()["max_norm_" + way].number());
    for (const Parameter* p : grads)
      c.compare("out." + way + "." + p->name, scale(Var(store.gradient(*p)), factor).value(), Kind::output);
  }
}

void rms_norm_case(Case& c) {
  double eps = c.number("eps", 1e-6);
  formula_case(c, {"x", "weight"}, [eps](const std::vector<Var>& in) { return rms_norm(in[0], in[1], eps); });
}

void layer_norm_case(Case& c) {
  double eps = c.number("eps", 1e-6);
  formula_case(c, {"x", "weight"}, [eps](const std::vector<Var>& in) { return layer_norm(in[0], in[1], eps); });
}

void swiglu_case(Case& c) {
  formula_case(c, {"x", "gate", "up", "down"}, [](const std::vector<Var>& in) {
    return linear(swiglu(linear(in[0], in[1]), linear(in[0], in[2])), in[3]);
  });
}

void cross_entropy_case(Case& c) {
  Tensor targets = c.input("in.targets", DType::i32);
  std::int64_t kept = 0;
  for (double t : targets.to_doubles()) kept += t >= 0;
  for (const std::string& name : c.tensors()) {
    if (!name.starts_with("out.loss_z")) continue;
    std::string suffix = name.substr(std::string("out.loss_z").size());
    Tape tape;
    Var logits = tape.leaf(c.input("in.logits"));
    CrossEntropy ce = cross_entropy(logits, targets, double(kept), std::strtod(suffix.c_str(), nullptr));
    c.compare(name, ce.loss.value(), Kind::output);
    c.compare_if_present("out.lse", ce.log_sum_exp.value(), Kind::output);
    c.compare_if_present("out.nll", ce.negative_log_likelihood.value(), Kind::output);
    c.compare_if_present("out.mean_lse_sq", ce.mean_square_lse.value(), Kind::output);
    std::string gradient = "grad.logits_z" + suffix;
    if (c.has(gradient))
      c.compare(gradient, tape.grad(ce.loss, {&logits, 1}, ones_like(ce.loss))[0].value(), Kind::gradient);
  }
}

void bf16_case(Case& c) {
  Tensor bits = c.input("in.bits_f32", DType::i32), is_nan = c.input("in.is_nan", DType::i32);
  Tensor want = c.input("out.bits_bf16", DType::i32), value = c.input("in.value");
  std::int64_t n = bits.count();
  check(is_nan.count() == n && want.count() == n && value.count() == n, "the four tensors differ in size");
  bits = on_host(bits), is_nan = on_host(is_nan), want = on_host(want), value = on_host(value);
  Tensor got = like(want), exact = Tensor::empty(bits.device(), {n});
  for (std::int64_t i = 0; i < n; ++i) exact.data<std::int32_t>()[i] = bits.data<std::int32_t>()[i];
  Tensor rounded = on_host(cast(exact.on(c.device()), DType::bf16).value());
  for (std::int64_t i = 0; i < n; ++i) {
    std::int32_t out = rounded.data<std::uint16_t>()[i];
    bool nan = is_nan.data<std::int32_t>()[i] != 0;
    check(!nan || std::isnan(from_bf16(std::uint16_t(out))), "the NaN at {} became a number", i);
    check(nan || std::bit_cast<std::int32_t>(value.data<float>()[i]) == bits.data<std::int32_t>()[i],
          "in.value and in.bits_f32 differ at {}", i);
    got.data<std::int32_t>()[i] = nan ? want.data<std::int32_t>()[i] : out;  // only the NaN-ness of a NaN is compared
  }
  c.compare("out.bits_bf16", got, Kind::exact);
}

void attention_case(Case& c) {
  Mask mask{.causal = c.flag("causal"), .window = 0};
  formula_case(c, {"q", "k", "v"}, [mask](const std::vector<Var>& in) {
    return attention(in[0], in[1], in[2], 1 / std::sqrt(double(in[0].dim(3))), mask);
  });
}

}  // namespace lact::golden
