#include "layers/parameters.hpp"

#include "autograd/broadcast.hpp"
#include "base/check.hpp"
#include "base/random.hpp"
#include "kernels/pointwise.hpp"

namespace lact {

Init constant(double value) {
  return [value](std::uint64_t, std::int64_t) { return value; };
}
Init gaussian(double deviation) {
  return [deviation](std::uint64_t key, std::int64_t i) { return deviation * normal(key, i); };
}
Init uniform_within(double bound) {
  return [bound](std::uint64_t key, std::int64_t i) { return bound * (2 * uniform(key, i) - 1); };
}

const Parameter& ParameterStore::add(Parameter p) {
  check(by_name_.find(p.name) == by_name_.end(), "two parameters have the name '{}'", p.name);
  p.store = this;
  parameters_.push_back(std::move(p));
  by_name_[parameters_.back().name] = &parameters_.back();
  return parameters_.back();
}

void ParameterStore::lay_out(Device& d, Mesh& m, std::uint64_t seed, DType t) {
  buckets_.clear();
  std::vector<std::int64_t> sizes;
  for (Parameter& p : parameters_) {
    std::size_t b = 0;
    while (b < buckets_.size() && !(buckets_[b].replicated_on == p.replicated_on)) ++b;
    if (b == buckets_.size()) buckets_.push_back({p.replicated_on, {}, {}, {}, {}}), sizes.push_back(0);
    p.bucket = b;
    p.range = {sizes[b], sizes[b] + p.count()};
    sizes[b] = (p.range.end + 15) / 16 * 16;  // every parameter begins on a cache line
  }
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    std::int64_t unit = 64 * m.along(buckets_[b].replicated_on).size();
    std::int64_t size = (sizes[b] + unit - 1) / unit * unit;
    buckets_[b].value = Tensor::zeros(d, {size}, t);
    buckets_[b].gradient = Tensor::zeros(d, {size}, t);
  }
  if (d.backend() == Backend::paper) return;
  for (const Parameter& p : parameters_) {
    std::uint64_t key = random_key(seed, p.name);
    std::vector<double> numbers(static_cast<std::size_t>(p.count()));
#pragma omp parallel for
    for (std::int64_t i = 0; i < p.count(); ++i) numbers[std::size_t(i)] = p.init(key, i);
    copy_bytes(value(p), Tensor::of(d, p.shape, std::span<const double>(numbers), t));
  }
}

Var ParameterStore::use(Ctx& c, const Parameter& p) {
  if (c.tape == nullptr) return value(p);
  return c.tape->leaf(value(p), [sum = gradient(p)](const Var& g) {
    if (g) kernels::add_to(sum, dense(g.value()));
  });
}

void ParameterStore::zero_gradients() {
  for (Bucket& b : buckets_) kernels::fill(b.gradient, 0);
}

void ParameterStore::add_moments() {
  for (Bucket& b : buckets_) {
    for (Tensor* t : {&b.first, &b.second}) {
      if (t->defined()) continue;
      *t = like(b.value);
      kernels::fill(*t, 0);
    }
  }
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

Scope Scope::operator/(std::string_view child) const {
  return Scope(*store_, prefix_.empty() ? std::string(child) : prefix_ + "." + std::string(child));
}

const Parameter& Scope::parameter(std::string_view name, Shape s, Init i) const {
  Parameter p;
  p.name = (*this / name).prefix_;
  p.shape = std::move(s);
  p.init = std::move(i);
  return store_->add(std::move(p));
}

}  // namespace lact
