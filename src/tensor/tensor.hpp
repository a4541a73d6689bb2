// A strided view on shared bytes. Copying a Tensor never copies numbers; there is no arithmetic here (see kernels/).
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/device.hpp"

namespace lact {

enum class DType : std::uint8_t { f32, bf16, f64, i32, u8 };
std::int64_t size_of(DType t);  // bytes of one element
const char* name_of(DType t);

using Shape = std::vector<std::int64_t>;
std::int64_t count_of(const Shape& s);  // product; 1 for a scalar
std::string text_of(const Shape& s);    // "[2, 3]"

struct Range {  // half-open
  std::int64_t begin = 0, end = 0;
  bool empty() const { return begin >= end; }
  std::int64_t size() const { return empty() ? 0 : end - begin; }
  bool operator==(const Range&) const = default;
};

class Tensor {
 public:
  Tensor() = default;
  static Tensor empty(Device& d, Shape s, DType t = DType::f32);
  static Tensor zeros(Device& d, Shape s, DType t = DType::f32);
  // Copies host numbers, converting: f32 or f64 (or i32 from integers) on `d`.
  static Tensor of(Device& d, Shape s, std::span<const float> values, DType t = DType::f32);
  static Tensor of(Device& d, Shape s, std::span<const double> values, DType t = DType::f32);
  static Tensor of(Device& d, Shape s, std::span<const std::int32_t> values);

  bool defined() const { return bytes_ != nullptr; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }  // in elements; 0 along an expanded dim
  std::int64_t dim(int i) const;                     // negative counts from the end
  int dims() const { return int(shape_.size()); }
  std::int64_t count() const { return count_; }
  DType dtype() const { return dtype_; }
  Device& device() const { return *device_; }
  bool contiguous() const;

  // Views share the bytes. Each checks that it is possible.
  Tensor view(Shape s) const;  // contiguous only; one entry may be -1
  Tensor cut(int dim, Range r) const;
  Tensor select(int dim, std::int64_t i) const;  // drops the dim
  Tensor permute(const std::vector<int>& order) const;
  Tensor transpose() const;             // exchanges the last two dims
  Tensor expand(const Shape& s) const;  // dims of size 1, or missing in front, repeat without copying

  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(raw());
  }
  std::byte* raw() const { return bytes_.get() + offset_ * size_of(dtype_); }

  Tensor on(Device& d) const;  // itself, or a copy with the same shape and strides

  // The numbers on the host, converted, row-major: for tests, files and reports, not for hot paths.
  std::vector<double> to_doubles() const;
  std::vector<float> to_floats() const;
  double item() const;  // of a tensor with one element

 private:
  std::shared_ptr<std::byte> bytes_;
  Device* device_ = nullptr;
  Shape shape_, strides_;
  std::int64_t offset_ = 0, count_ = 0;
  DType dtype_ = DType::f32;
};

Tensor like(const Tensor& t);                    // same shape, type and device, uninitialised, contiguous
Tensor like(const Tensor& t, Shape s);           // same type and device
void copy_bytes(Tensor to, const Tensor& from);  // same shape and dtype, both contiguous, any devices
inline Tensor on_host(const Tensor& t) { return t.on(t.device().host()); }

// bf16: the upper half of a float, rounded to nearest, ties to even; NaN stays NaN.
std::uint16_t to_bf16(float x);
float from_bf16(std::uint16_t bits);

}  // namespace lact
