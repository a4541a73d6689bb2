#include "tensor/tensor.hpp"

#include <bit>
#include <cstring>

#include "base/check.hpp"

namespace lact {

std::int64_t size_of(DType t) {
  switch (t) {
    case DType::f64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::bf16:
      return 2;
    case DType::u8:
      return 1;
  }
  return 0;
}

const char* name_of(DType t) {
  switch (t) {
    case DType::f64:
      return "f64";
    case DType::f32:
      return "f32";
    case DType::i32:
      return "i32";
    case DType::bf16:
      return "bf16";
    case DType::u8:
      return "u8";
  }
  return "?";
}

std::int64_t count_of(const Shape& s) {
  std::int64_t n = 1;
  for (auto d : s) n *= d;
  return n;
}

std::string text_of(const Shape& s) {
  std::string out = "[";
  for (std::size_t i = 0; i < s.size(); ++i) out += (i ? ", " : "") + std::to_string(s[i]);
  return out + "]";
}

namespace {
Shape row_major(const Shape& s) {
  Shape strides(s.size());
  std::int64_t step = 1;
  for (std::size_t i = s.size(); i-- > 0; step *= s[i]) strides[i] = step;
  return strides;
}
int wrapped(int dim, int dims) {
  int d = dim < 0 ? dim + dims : dim;
  check(d >= 0 && d < dims, "dim {} of a tensor with {} dims", dim, dims);
  return d;
}
double number_at(const Tensor& t, std::int64_t offset) {
  switch (t.dtype()) {
    case DType::f64:
      return t.data<double>()[offset];
    case DType::f32:
      return t.data<float>()[offset];
    case DType::i32:
      return t.data<std::int32_t>()[offset];
    case DType::bf16:
      return from_bf16(t.data<std::uint16_t>()[offset]);
    case DType::u8:
      return t.data<std::uint8_t>()[offset];
  }
  return 0;
}
template <class F>
void each_offset(const Tensor& t, F&& f) {  // row-major walk over a strided view
  Shape at(t.shape().size(), 0);
  std::int64_t offset = 0;
  for (std::int64_t n = 0; n < t.count(); ++n) {
    f(offset);
    for (std::size_t d = at.size(); d-- > 0;) {
      offset += t.strides()[d];
      if (++at[d] < t.shape()[d]) break;
      offset -= at[d] * t.strides()[d];
      at[d] = 0;
    }
  }
}
template <class T>
Tensor from_host(Device& d, Shape s, std::span<const T> values, DType t) {
  check(count_of(s) == std::int64_t(values.size()), "{} numbers for a tensor of shape {}", values.size(), text_of(s));
  if (d.backend() != Backend::cpu) return from_host(d.host(), std::move(s), values, t).on(d);
  Tensor out = Tensor::empty(d, std::move(s), t);
  if (std::is_same_v<T, float> && t == DType::f32) {
    std::memcpy(out.raw(), values.data(), values.size_bytes());
    return out;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    switch (t) {
      case DType::f64:
        out.data<double>()[i] = double(values[i]);
        break;
      case DType::f32:
        out.data<float>()[i] = float(values[i]);
        break;
      case DType::bf16:
        out.data<std::uint16_t>()[i] = to_bf16(float(values[i]));
        break;
      case DType::i32:
        out.data<std::int32_t>()[i] = std::int32_t(values[i]);
        break;
      case DType::u8:
        out.data<std::uint8_t>()[i] = std::uint8_t(values[i]);
        break;
    }
  }
  return out;
}
}  // namespace

Tensor Tensor::empty(Device& d, Shape s, DType t) {
  Tensor x;
  x.device_ = &d;
  x.count_ = count_of(s);
  x.strides_ = row_major(s);
  x.shape_ = std::move(s);
  x.dtype_ = t;
  x.bytes_ = d.allocate(std::size_t(x.count_ * size_of(t)));
  return x;
}

Tensor Tensor::zeros(Device& d, Shape s, DType t) {
  Tensor x = empty(d, std::move(s), t);
  d.clear(x.raw(), std::size_t(x.count_ * size_of(t)));
  return x;
}

Tensor Tensor::of(Device& d, Shape s, std::span<const float> v, DType t) { return from_host(d, std::move(s), v, t); }
Tensor Tensor::of(Device& d, Shape s, std::span<const double> v, DType t) { return from_host(d, std::move(s), v, t); }
Tensor Tensor::of(Device& d, Shape s, std::span<const std::int32_t> v) {
  return from_host(d, std::move(s), v, DType::i32);
}

std::int64_t Tensor::dim(int i) const { return shape_[std::size_t(wrapped(i, dims()))]; }

bool Tensor::contiguous() const {
  std::int64_t step = 1;
  for (std::size_t i = shape_.size(); i-- > 0; step *= shape_[i])
    if (shape_[i] != 1 && strides_[i] != step && count_ > 0) return false;
  return true;
}

Tensor Tensor::view(Shape s) const {
  check(contiguous(), "a view of shape {} needs contiguous numbers", text_of(s));
  std::int64_t known = 1, open = -1;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == -1)
      open = std::int64_t(i);
    else
      known *= s[i];
  }
  if (open >= 0) s[std::size_t(open)] = known == 0 ? 0 : count_ / known;
  check(count_of(s) == count_, "a tensor of shape {} cannot be seen as {}", text_of(shape_), text_of(s));
  Tensor t = *this;
  t.strides_ = row_major(s);
  t.shape_ = std::move(s);
  return t;
}

Tensor Tensor::cut(int dim, Range r) const {
  auto d = std::size_t(wrapped(dim, dims()));
  check(r.begin >= 0 && r.begin <= r.end && r.end <= shape_[d], "range [{}, {}) of dim {} of {}", r.begin, r.end, d,
        text_of(shape_));
  Tensor t = *this;
  t.offset_ += r.begin * strides_[d];
  t.shape_[d] = r.size();
  t.count_ = count_of(t.shape_);
  return t;
}

Tensor Tensor::select(int dim, std::int64_t i) const {
  auto d = wrapped(dim, dims());
  Tensor t = cut(d, {i, i + 1});
  t.shape_.erase(t.shape_.begin() + d);
  t.strides_.erase(t.strides_.begin() + d);
  return t;
}

Tensor Tensor::permute(const std::vector<int>& order) const {
  check(order.size() == shape_.size(), "a permutation of {} dims for a tensor of shape {}", order.size(),
        text_of(shape_));
  Tensor t = *this;
  for (std::size_t i = 0; i < order.size(); ++i) {
    auto from = std::size_t(wrapped(order[i], dims()));
    t.shape_[i] = shape_[from];
    t.strides_[i] = strides_[from];
  }
  check(count_of(t.shape_) == count_, "a permutation names each dim once");
  return t;
}

Tensor Tensor::transpose() const {
  check(dims() >= 2, "only a matrix can be transposed, not shape {}", text_of(shape_));
  Tensor t = *this;
  std::swap(t.shape_[t.shape_.size() - 1], t.shape_[t.shape_.size() - 2]);
  std::swap(t.strides_[t.strides_.size() - 1], t.strides_[t.strides_.size() - 2]);
  return t;
}

Tensor Tensor::expand(const Shape& s) const {
  check(s.size() >= shape_.size(), "shape {} cannot repeat to {}", text_of(shape_), text_of(s));
  Tensor t = *this;
  t.shape_ = s;
  t.strides_.assign(s.size(), 0);
  std::size_t front = s.size() - shape_.size();
  for (std::size_t i = 0; i < shape_.size(); ++i) {
    if (shape_[i] == s[front + i])
      t.strides_[front + i] = strides_[i];
    else
      check(shape_[i] == 1, "shape {} cannot repeat to {}", text_of(shape_), text_of(s));
  }
  t.count_ = count_of(s);
  return t;
}

Tensor Tensor::on(Device& d) const {
  if (&d == device_) return *this;
  check(device_->backend() != d.backend(), "a copy from {} to {} goes through the host", device_->name(), d.name());
  std::int64_t extent = count_ > 0 ? 1 : 0;  // elements from the first to the last, whatever lies between
  for (std::size_t i = 0; count_ > 0 && i < shape_.size(); ++i) extent += (shape_[i] - 1) * strides_[i];
  auto bytes = std::size_t(extent * size_of(dtype_));
  Tensor t = *this;
  t.device_ = &d;
  t.offset_ = 0;
  t.bytes_ = d.allocate(bytes);
  if (d.backend() == Backend::cpu)
    device_->copy_out(t.bytes_.get(), raw(), bytes);
  else
    d.copy_in(t.bytes_.get(), raw(), bytes);
  return t;
}

std::vector<double> Tensor::to_doubles() const {
  Tensor here = on_host(*this);
  std::vector<double> out;
  out.reserve(std::size_t(count_));
  each_offset(here, [&](std::int64_t o) { out.push_back(number_at(here, o)); });
  return out;
}

std::vector<float> Tensor::to_floats() const {
  Tensor here = on_host(*this);
  std::vector<float> out;
  out.reserve(std::size_t(count_));
  each_offset(here, [&](std::int64_t o) { out.push_back(float(number_at(here, o))); });
  return out;
}

double Tensor::item() const {
  check(count_ == 1, "a tensor of shape {} is not one number", text_of(shape_));
  return number_at(on_host(*this), 0);
}

Tensor like(const Tensor& t) { return Tensor::empty(t.device(), t.shape(), t.dtype()); }
Tensor like(const Tensor& t, Shape s) { return Tensor::empty(t.device(), std::move(s), t.dtype()); }

void copy_bytes(Tensor to, const Tensor& from) {
  check(to.count() == from.count() && to.dtype() == from.dtype() && to.contiguous() && from.contiguous(),
        "a byte copy needs equal contiguous tensors, not {} {} and {} {}", name_of(to.dtype()), text_of(to.shape()),
        name_of(from.dtype()), text_of(from.shape()));
  auto bytes = std::size_t(to.count() * size_of(to.dtype()));
  Device &there = to.device(), &here = from.device();
  if (there.backend() == here.backend())
    there.copy(to.raw(), from.raw(), bytes);
  else if (there.backend() == Backend::cpu)
    here.copy_out(to.raw(), from.raw(), bytes);
  else
    there.copy_in(to.raw(), from.raw(), bytes);
}

std::uint16_t to_bf16(float x) {
  auto u = std::bit_cast<std::uint32_t>(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return std::uint16_t((u >> 16) | 0x40u);
  return std::uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t(bits) << 16); }

}  // namespace lact
