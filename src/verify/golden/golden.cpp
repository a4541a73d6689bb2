#include "verify/golden/golden.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/check.hpp"

namespace lact::golden {

double bound_of(Kind k, bool newton_schulz) {
  switch (k) {
    case Kind::output:
      return newton_schulz ? 1e-4 : 1e-5;
    case Kind::gradient:
      return newton_schulz ? 1e-3 : 3e-5;
    case Kind::loss_curve:
      return 1e-5;
    case Kind::norm_curve:
      return 1e-3;
    case Kind::exact:
      return 0;
  }
  return 0;
}

Case::Case(const std::string& path, Device& d, const std::string& data_folder)
    : file_(path), device_(d), data_folder_(data_folder) {
  auto text = [&](const std::string& key) {
    auto it = file_.metadata().find(key);
    check(it != file_.metadata().end(), "{}: no '{}' in its metadata, so it is not a reference file", path, key);
    return it->second;
  };
  name_ = text("case");
  hparams_ = Json::parse(text("hparams"), path + " hparams");
  for (const std::string& t : file_.names()) ledger_[t] = Use::open;
  row_.file = path;
}

bool Case::flag(const std::string& key, bool otherwise) const {
  return hparams_.has(key) ? hparams_[key].boolean() : otherwise;
}
std::int64_t Case::integer(const std::string& key, std::int64_t otherwise) const {
  return hparams_.has(key) ? hparams_[key].integer() : otherwise;
}
double Case::number(const std::string& key, double otherwise) const {
  return hparams_.has(key) ? hparams_[key].number() : otherwise;
}

Tensor Case::input(const std::string& tensor, DType t) {
  check(file_.has(tensor), "the tensor '{}' is missing", tensor);
  if (ledger_[tensor] == Use::open) ledger_[tensor] = Use::read;
  return file_.read_as(tensor, device_, t);
}

namespace {
double largest(const std::vector<double>& v) {
  double m = 0;
  for (double x : v) m = std::max(m, std::abs(x));
  return m;
}
}  // namespace

namespace {
Shape squeezed(Shape s) {
  std::erase(s, 1);
  return s;
}
}  // namespace

void Case::compare(const std::string& tensor, const Tensor& computed, Kind k, const std::string& relative_to) {
  check(file_.has(tensor), "the tensor '{}' is missing", tensor);
  const Shape& want = file_.entry(tensor).shape;
  check(squeezed(want) == squeezed(computed.shape()), "{}: computed the shape {}, and the file has {}", tensor,
        text_of(computed.shape()), text_of(want));
  ledger_[tensor] = count_of(want) > 0 ? Use::compared : Use::information;
  std::vector<double> stored = file_.read_as(tensor, device_, DType::f64).to_doubles(), mine = computed.to_doubles();
  double difference = 0;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    check(std::isfinite(stored[i]), "{}: the stored tensor holds a number that is not finite", tensor);
    check(std::isfinite(mine[i]), "{}: computed a number that is not finite", tensor);
    difference = std::max(difference, std::abs(stored[i] - mine[i]));
  }
  double measure = largest(stored), bound = bound_of(k, newton_schulz_);
  if (!relative_to.empty()) {
    measure = largest(file_.read_as(relative_to, device_, DType::f64).to_doubles());
    bound = 1e-3;
  }
  double error = measure > 0 ? difference / measure : difference;
  if (measure == 0) bound = zero_bound;
  if (k == Kind::exact) bound = 0, error = difference;
  double share = bound > 0 ? error / bound : (error > 0 ? 1e30 : 0);
  if (share > worst_share_) worst_share_ = share, row_.worst = error, row_.bound = bound, row_.worst_tensor = tensor;
}

void Case::compare_if_present(const std::string& tensor, const Tensor& computed, Kind k) {
  if (has(tensor)) compare(tensor, computed, k);
}

std::string Case::name_of(const std::string& parameter) const {
  const auto other = other_names_.find(parameter);
  return other == other_names_.end() || has("param." + parameter) ? parameter : other->second;
}

void Case::load(ParameterStore& store, const std::string& prefix) {
  for (const Parameter& p : store.parameters()) {  // before memory is taken for sizes that the file does not have
    std::string name = prefix + name_of(p.name);
    check(has(name), "the tensor '{}' is missing", name);
    check(shape(name) == p.shape, "{} has shape {}, and the layer wants {}", name, text_of(shape(name)),
          text_of(p.shape));
  }
  store.lay_out(device_, mesh_, 0);
  for (const Parameter& p : store.parameters()) copy_bytes(store.value(p), input(prefix + name_of(p.name)));
}

void Case::compare_gradients(ParameterStore& store) {
  for (const Parameter& p : store.parameters()) {
    std::string name = "grad." + name_of(p.name);
    if (!has(name)) {  // only a gradient that is zero may be left out
      double size = largest(store.gradient(p).to_doubles());
      check(size <= zero_bound, "the tensor '{}' is missing, and the gradient is not zero", name);
      continue;
    }
    // nearly invariant to a common scale of the rates, so the true value is a cancellation: judged beside the weight
    bool cancels = p.name.ends_with("lr_fc.bias") || p.name.ends_with("lr_proj.bias");
    std::string weight = cancels ? name.substr(0, name.size() - 4) + "weight" : "";
    compare(name, store.gradient(p), Kind::gradient, weight);
  }
}

Row Case::finish(const std::string& family) {
  row_.family = family;
  std::string left;
  for (const auto& [tensor, use] : ledger_) {
    row_.compared += use == Use::compared;
    row_.read += use == Use::read;
    row_.information += use == Use::information;
    if (use == Use::open) left += (left.empty() ? "" : ", ") + tensor;
  }
  if (!left.empty())
    row_.failure = "not read and not compared: " + left;
  else if (row_.compared == 0)
    row_.failure = "nothing was compared";
  else if (worst_share_ > 1)
    row_.failure = row_.worst_tensor + " is beyond its bound";
  return row_;
}

TttPlan plan_of(const Json& ops) {
  TttPlan plan;
  for (const Json& op : ops.items()) {
    Range r{op.at(0).integer(), op.at(1).integer()};
    auto on = [&](std::int64_t i) { return op.at(i).is_boolean() ? op.at(i).boolean() : op.at(i).integer() != 0; };
    if (on(2)) plan.push_back({TttEvent::update, r});
    if (on(3)) plan.push_back({TttEvent::apply, r});
  }
  return plan;
}

namespace {

struct Family {
  std::string_view head;
  void (*run)(Case&);
};
constexpr Family families[] = {
    {"01_newton_schulz", newton_schulz_case},
    {"02_fast_weight_op", fast_weight_case},
    {"03_ttt_layer", ttt_layer_case},
    {"04_self_attention", self_attention_case},
    {"04_mlp", mlp_case},
    {"05_lvsm_model", model_case},
    {"06_data", data_case},
    {"06_inference_cameras", camera_case},
    {"07_bidir", bidirectional_case},
    {"07_causal", causal_case},
    {"08_llm", causal_lact_case},
    {"09_lm", language_case},
    {"adamw", adamw_case},
    {"cosine_schedule", schedule_case},
    {"grad_clip", clip_case},
    {"rmsnorm", rms_norm_case},
    {"layernorm_nobias", layer_norm_case},
    {"swiglu", swiglu_case},
    {"cross_entropy", cross_entropy_case},
    {"bf16_round", bf16_case},
    {"attn_", attention_case},
    {"swa_rope", window_attention_case},
    {"gla", gla_case},
    {"delta_rule", delta_rule_case},
    {"selective_scan", selective_scan_case},
    {"mamba_block", mamba_block_case},
    {"ttt_linear", ttt_linear_case},
    {"ttt_mlp", ttt_mlp_case},
    {"lm_linear", ttt_model_case},
    {"lm_mlp", ttt_model_case},
};

const Family& family_of(const Case& c) {
  for (const Family& f : families)
    if (c.name().starts_with(f.head)) return f;
  std::string known;
  for (const Family& f : families) known += (known.empty() ? "" : " ") + std::string(f.head);
  fail("the case '{}' is of no known family ({})", c.name(), known);
}

}  // namespace

Row run(const std::string& path, Device& d, const std::string& data_folder) {
  Row failed;
  failed.file = path;
  try {
    Case c(path, d, data_folder);
    failed.family = c.name();
    const Family& f = family_of(c);
    failed.family = f.head;
    f.run(c);
    return c.finish(std::string(f.head));
  } catch (const std::exception& e) {  // whatever a damaged file leads to is one row of the table
    failed.failure = e.what();
    return failed;
  }
}

std::vector<std::string> files_at(const std::vector<std::string>& paths) {
  namespace fs = std::filesystem;
  std::vector<std::string> out;
  for (const std::string& p : paths) {
    check(fs::exists(p), "{}: no such file or folder", p);
    if (!fs::is_directory(p)) {
      out.push_back(p);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& e : fs::recursive_directory_iterator(p))
      if (e.path().extension() == ".safetensors") inside.push_back(e.path().string());
    check(!inside.empty(), "{}: no .safetensors file in it", p);
    std::ranges::sort(inside);
    out.insert(out.end(), inside.begin(), inside.end());
  }
  return out;
}

}  // namespace lact::golden
