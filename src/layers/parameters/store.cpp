#include "layers/parameters/store.hpp"

#include "autograd/broadcast.hpp"
#include "base/check.hpp"
#include "base/random.hpp"
#include "kernels/pointwise.hpp"

namespace lact {

const Parameter& ParameterStore::add(Parameter p) {
  check(by_name_.find(p.name) == by_name_.end(), "two parameters have the name '{}'", p.name);
  p.store = this;
  if (p.local.empty()) p.local = p.shape;
  parameters_.push_back(std::move(p));
  by_name_[parameters_.back().name] = &parameters_.back();
  return parameters_.back();
}

namespace {

constexpr std::int64_t full_bucket = 1 << 22;  // 16 MB of f32: a sum that starts while the backward pass goes on

// Where each parameter lies: (bucket, range), a bucket per replication set and at most `full_bucket` numbers unless one
// parameter is larger.
std::vector<std::int64_t> place_all(std::deque<Parameter>& parameters, std::vector<ParameterStore::Bucket>& buckets) {
  std::vector<std::int64_t> sizes;
  for (Parameter& p : parameters) {
    if (!p.here) continue;
    std::size_t b = buckets.size();
    while (b > 0 && !(buckets[b - 1].replicated_on == p.replicated_on)) --b;
    std::int64_t count = count_of(p.local);
    if (b == 0 || (sizes[b - 1] > 0 && sizes[b - 1] + count > full_bucket)) {
      buckets.push_back({.replicated_on = p.replicated_on});
      sizes.push_back(0);
      b = buckets.size();
    }
    p.bucket = b - 1;
    p.range = {sizes[b - 1], sizes[b - 1] + count};
    sizes[b - 1] = (p.range.end + 15) / 16 * 16;  // every parameter begins on a cache line
  }
  return sizes;
}

}  // namespace

void ParameterStore::lay_out(Device& d, Mesh& m, std::uint64_t seed, DType t) {
  buckets_.clear();
  check(m.grid().size[std::size_t(Axis::tp)] == tp_, "parameters made for {} ranks of tp on a grid with {}", tp_,
        m.grid().size[std::size_t(Axis::tp)]);
  std::vector<std::int64_t> sizes = place_all(parameters_, buckets_);
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    Communicator& line = m.along(buckets_[b].replicated_on);
    std::int64_t unit = 64 * line.size(), size = (sizes[b] + unit - 1) / unit * unit;
    buckets_[b].value = Tensor::zeros(d, {size}, t);
    buckets_[b].gradient = Tensor::zeros(d, {size}, t);
    buckets_[b].shard = even_part(size, line.rank(), line.size());
  }
  if (d.backend() == Backend::paper) return;
  for (const Parameter& p : parameters_) {
    if (!p.here) continue;
    std::uint64_t key = random_key(seed, p.name);
    std::vector<double> numbers(std::size_t(count_of(p.local)));
#pragma omp parallel for
    for (std::size_t i = 0; i < numbers.size(); ++i)
      numbers[i] = p.init(key, whole_index(p, m.at(Axis::tp), tp_, std::int64_t(i)));
    copy_bytes(value(p), Tensor::of(d, p.local, std::span<const double>(numbers), t));
  }
}

Var ParameterStore::use(Ctx& c, const Parameter& p) {
  check(p.here, "{} belongs to another stage of the pipeline", p.name);
  Bucket& b = buckets_[p.bucket];
  b.gathering.wait();
  if (counting_) ++b.handed;
  if (c.tape == nullptr) return value(p);
  return c.tape->leaf(value(p), [this, bucket = p.bucket, sum = gradient(p)](const Var& g) {
    if (g) kernels::add_to(sum, dense(g.value()));
    ++buckets_[bucket].fired;
    if (fired_) fired_();
  });
}

void ParameterStore::begin_step(std::int64_t forwards) {
  forwards_left_ = forwards;
  for (Bucket& b : buckets_) kernels::fill(b.gradient, 0), b.handed = b.fired = 0;
}

void ParameterStore::keep(const std::function<bool(const Parameter&)>& is_here) {
  for (Parameter& p : parameters_) p.here = is_here(p);
}

void ParameterStore::add_moments() {
  for (Bucket& b : buckets_) {
    for (Tensor* t : {&b.first, &b.second}) {
      if (t->defined()) continue;
      *t = like(b.value, {b.shard.size()});
      kernels::fill(*t, 0);
    }
  }
}

void ParameterStore::settle() {
  for (Bucket& b : buckets_) b.gathering.wait();
}

const Parameter* ParameterStore::find(const std::string& name) const {
  auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

std::int64_t ParameterStore::count() const {
  std::int64_t n = 0;
  for (const Parameter& p : parameters_) n += p.count();
  return n;
}

}  // namespace lact
