// `lact verify golden`: recomputes reference files with the layers, models, data path, optimizer and schedule that
// training uses. Formulas: docs/math.md; tensor names: tests/golden/README.md. Every tensor of a file is read as an
// input, compared, or listed as information; a tensor left over is a failure.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "files/json.hpp"
#include "files/safetensors.hpp"
#include "layers/fast_weights/plan.hpp"
#include "layers/parameters/store.hpp"
#include "train/learner.hpp"

namespace lact::golden {

enum class Kind { output, gradient, loss_curve, norm_curve, exact };
// Largest difference relative to the tensor's largest stored value; behind Newton-Schulz the bounds are wider, because
// it amplifies small singular directions.
double bound_of(Kind k, bool newton_schulz);
constexpr double zero_bound = 1e-6;  // absolute, where the stored tensor is zero

struct Row {  // of the table
  std::string file, family;
  int compared = 0, read = 0, information = 0;
  double worst = 0, bound = 0;  // of the tensor nearest to (or farthest beyond) its bound
  std::string worst_tensor;
  std::string failure;  // empty: ok
};

class Case {  // an open reference file and the ledger of its tensors
 public:
  Case(const std::string& path, Device& d, const std::string& data_folder);

  const Json& hparams() const { return hparams_; }
  bool flag(const std::string& key, bool otherwise = false) const;
  std::int64_t integer(const std::string& key, std::int64_t otherwise) const;
  double number(const std::string& key, double otherwise) const;
  const std::string& name() const { return name_; }  // metadata `case`
  const std::string& path() const { return file_.path(); }
  const std::string& data_folder() const { return data_folder_; }
  Device& device() { return device_; }
  Mesh& mesh() { return mesh_; }
  Ctx context(Tape* t) { return {t, device_, mesh_, 0, 0}; }

  bool has(const std::string& tensor) const { return file_.has(tensor); }
  const std::vector<std::string>& tensors() const { return file_.names(); }
  Shape shape(const std::string& tensor) const { return file_.entry(tensor).shape; }
  Tensor input(const std::string& tensor, DType t = DType::f32);
  void information(const std::string& tensor) { ledger_[tensor] = Use::information; }
  // `relative_to`: another tensor of the file whose largest value is the measure (cancelling sums).
  void compare(const std::string& tensor, const Tensor& computed, Kind k, const std::string& relative_to = "");
  void compare_if_present(const std::string& tensor, const Tensor& computed, Kind k);
  void newton_schulz(bool on) { newton_schulz_ = on; }
  // The file may call a parameter by another of its names (a tied embedding has two).
  void also_named(const std::string& parameter, const std::string& name) { other_names_[parameter] = name; }
  std::string name_of(const std::string& parameter) const;  // in the file
  // Parameters by name from PREFIX + name; afterwards the gradients against "grad." + name.
  void load(ParameterStore& store, const std::string& prefix = "param.");
  void compare_gradients(ParameterStore& store);
  Row finish(const std::string& family);

 private:
  enum class Use { open, read, compared, information };
  SafetensorsFile file_;
  Device& device_;
  Mesh mesh_ = Mesh::alone();
  std::string data_folder_, name_;
  Json hparams_;
  std::map<std::string, Use> ledger_;
  std::map<std::string, std::string> other_names_;
  bool newton_schulz_ = false;
  Row row_;
  double worst_share_ = -1;
};

TttPlan plan_of(const Json& ops);  // [[start, end, update, apply], ...]
// The family at the head of a case name, and the function that runs it; unknown names are an error listing the known
// ones.
Row run(const std::string& path, Device& d, const std::string& data_folder);
// Every .safetensors file at the paths (files or folders), sorted.
std::vector<std::string> files_at(const std::vector<std::string>& paths);

// So many steps with the learner that `lact train` uses; a batch of each.
struct Curve {
  std::vector<double> loss, norm, rate;  // norm of gradients
};
Curve trained(Case& c, Model& model, ParameterStore& store, const LearningConfig& cfg, std::int64_t steps,
              const std::function<Batch(std::int64_t)>& batch);
const Parameter& parameter_named(Case& c, ParameterStore& store, const std::string& name);  // as the file calls it
Tensor norms_of_parameters(Case& c, ParameterStore& store, const Json& names);              // f64, in that order
Tensor tensor_of(Case& c, const std::vector<double>& v);                                    // f64
// The fixed batch, as many steps as the curve NAME.* has; its loss, norm of
// gradients, rate where the file has it, and the norms of the parameters of hparams.param_order afterwards.
void compare_curve(Case& c, const std::string& name, Model& model, ParameterStore& store, const LearningConfig& cfg,
                   const Batch& b);

Tensor or_zeros(const Var& gradient, const Tensor& of);
// x, y, G, grad_x and the parameters' gradients of a layer file.
template <class Layer>
void layer_case(Case& c, ParameterStore& store, const Layer& layer) {
  c.load(store);
  Tape tape;
  Ctx ctx = c.context(&tape);
  Var dx, x = tape.leaf(c.input("x"), [&dx](const Var&g) { dx = g; });
  Var y = layer(ctx, x);
  check(bool(y), "the plan applies nothing, so there is no y");
  c.compare("y", y.value(), Kind::output);
  tape.backward(y, c.input("G"));
  c.compare("grad_x", or_zeros(dx, x.value()), Kind::gradient);
  c.compare_gradients(store);
}

// One function per family, grouped by file: layers.cpp, language.cpp, model.cpp, data.cpp, pieces.cpp, recurrent.cpp,
// mini_batch.cpp, ttt_model.cpp.
void newton_schulz_case(Case& c);
void fast_weight_case(Case& c);
void ttt_layer_case(Case& c);
void self_attention_case(Case& c);
void mlp_case(Case& c);
void bidirectional_case(Case& c);
void causal_case(Case& c);
void causal_lact_case(Case& c);
void language_case(Case& c);
void window_attention_case(Case& c);
void model_case(Case& c);
void data_case(Case& c);
void camera_case(Case& c);
void adamw_case(Case& c);
void schedule_case(Case& c);
void clip_case(Case& c);
void rms_norm_case(Case& c);
void layer_norm_case(Case& c);
void swiglu_case(Case& c);
void cross_entropy_case(Case& c);
void bf16_case(Case& c);
void attention_case(Case& c);
void gla_case(Case& c);
void delta_rule_case(Case& c);
void selective_scan_case(Case& c);
void mamba_block_case(Case& c);
void ttt_linear_case(Case& c);
void ttt_mlp_case(Case& c);
void ttt_model_case(Case& c);

}  // namespace lact::golden
