// Parameters by the originals' names, in flat buckets, and the context that a forward pass is given.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "autograd/tape.hpp"
#include "parallel/mesh.hpp"

namespace lact {

struct Ctx {
  Tape* tape = nullptr;  // null: nothing is recorded
  Device& device;
  Mesh& mesh;
  std::uint64_t seed = 0;
  std::int64_t step = 0;
  Ctx on(Tape* t) const { return {t, device, mesh, seed, step}; }
};

// The value of element `index` of the whole (uncut) parameter; counter based, so the same on any layout.
using Init = std::function<double(std::uint64_t key, std::int64_t index)>;
Init constant(double value);
Init gaussian(double deviation);
Init uniform_within(double bound);  // [-bound, bound)

class ParameterStore;
struct Parameter {
  std::string name;  // the original's state-dict name: in log, checkpoint, safetensors and reference file
  Shape shape;       // global
  Init init;
  Axes replicated_on =
      Axes(Axis::dp) | Axis::cp | Axis::tp;  // where ranks hold the same numbers and gradients are partial
  ParameterStore* store = nullptr;
  std::size_t bucket = 0;  // place of the flat numbers
  Range range;
  std::int64_t count() const { return count_of(shape); }
  bool decays() const {
    return shape.size() >= 2;
  }  // weight decay is for matrices and fast weights, not for norms and biases
};

class ParameterStore {
 public:
  struct Bucket {
    Axes replicated_on;
    Tensor value, gradient, first, second;  // flat; moments appear with the optimizer
  };

  ParameterStore() = default;
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  const Parameter& add(Parameter p);  // a name may stand once
  // Allocates the buckets, one per replication set, padded to 64 x ranks, and initialises from the seed.
  void lay_out(Device& d, Mesh& m, std::uint64_t seed, DType t = DType::f32);
  // A tracked value whose gradient is added to the bucket; a constant without a tape.
  Var use(Ctx& c, const Parameter& p);
  void zero_gradients();
  void add_moments();  // zero first and second moments beside the values

  const std::deque<Parameter>& parameters() const { return parameters_; }
  const Parameter* find(const std::string& name) const;
  std::vector<Bucket>& buckets() { return buckets_; }
  Tensor value(const Parameter& p) { return piece(buckets_[p.bucket].value, p); }
  Tensor gradient(const Parameter& p) { return piece(buckets_[p.bucket].gradient, p); }
  static Tensor piece(const Tensor& flat, const Parameter& p) { return flat.cut(0, p.range).view(p.shape); }
  std::int64_t count() const;  // numbers in all parameters

 private:
  std::deque<Parameter> parameters_;  // a deque: layers hold references
  std::map<std::string, const Parameter*> by_name_;
  std::vector<Bucket> buckets_;
};

class Scope {  // hands out names; a layer's constructor takes one and nothing global
 public:
  explicit Scope(ParameterStore& store, std::string prefix = "") : store_(&store), prefix_(std::move(prefix)) {}
  Scope operator/(std::string_view child) const;
  const Parameter& parameter(std::string_view name, Shape s, Init i) const;

 private:
  ParameterStore* store_;
  std::string prefix_;
};

inline Var use(Ctx& c, const Parameter& p) { return p.store->use(c, p); }

}  // namespace lact
