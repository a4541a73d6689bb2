// All parameters of a model by the originals' names, in flat buckets with their gradients and moments.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "layers/context.hpp"
#include "layers/parameters/parameter.hpp"

namespace lact {

class ParameterStore {
 public:
  // Flat numbers of parameters with one replication set. Gradients and moments of `shard`, in elements, are this rank's
  // to sum and to step (ZeRO-1, Rajbhandari et al. 2020): the shards of the ranks that hold the bucket are disjoint and
  // complete.
  struct Bucket {
    Axes replicated_on;
    Tensor value, gradient;
    Range shard;
    Tensor first, second;                // of the shard; moments appear with the optimizer
    std::int64_t handed = 0, fired = 0;  // leaves given out by forward passes, and gradients that came back
    Work gathering;                      // new values on their way
  };

  // `tp` ranks share the parameters that layers declare as split.
  explicit ParameterStore(int tp = 1) : tp_(tp) {}
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  const Parameter& add(Parameter p);  // a name may stand once
  // Allocates the buckets, per replication set, padded to 64 x ranks, and initialises from the seed.
  void lay_out(Device& d, Mesh& m, std::uint64_t seed, DType t = DType::f32);
  // The value of a parameter: on a tape, a leaf whose gradient is added to the bucket; without one, a constant.
  Var use(Ctx& c, const Parameter& p);
  void zero_gradients() { begin_step(0); }
  void add_moments();  // zero first and second moments of the shards
  void settle();       // waits for gathered values; use() does so by itself, all other readers call this first
  // Begins a step of so many forward passes with zero gradients. Each pass counts the leaves that it hands out, those
  // of recomputed blocks too, so that it is known when the last gradient of a bucket has come back.
  void begin_step(std::int64_t forwards);
  void begin_forward() { counting_ = true; }
  void end_forward() { counting_ = false, --forwards_left_; }
  bool complete(const Bucket& b) const { return forwards_left_ == 0 && b.fired == b.handed; }
  void on_gradient(std::function<void()> fired) { fired_ = std::move(fired); }  // called after each gradient
  // Parameters of other stages of a pipeline have no numbers here. Before lay_out().
  void keep(const std::function<bool(const Parameter&)>& is_here);

  int tp() const { return tp_; }
  const std::deque<Parameter>& parameters() const { return parameters_; }
  const Parameter* find(const std::string& name) const;
  std::vector<Bucket>& buckets() { return buckets_; }
  Tensor value(const Parameter& p) { return piece(buckets_[p.bucket].value, p); }
  Tensor gradient(const Parameter& p) { return piece(buckets_[p.bucket].gradient, p); }
  static Tensor piece(const Tensor& flat, const Parameter& p) { return flat.cut(0, p.range).view(p.local); }
  std::int64_t count() const;  // numbers in all parameters

 private:
  int tp_;
  bool counting_ = false;
  std::int64_t forwards_left_ = 0;
  std::function<void()> fired_;
  std::deque<Parameter> parameters_;  // a deque: layers hold references
  std::map<std::string, const Parameter*> by_name_;
  std::vector<Bucket> buckets_;
};

inline Var use(Ctx& c, const Parameter& p) { return p.store->use(c, p); }

}  // namespace lact
