// What utilisation is measured against.
#pragma once
#include <cstdint>
#include <functional>

#include "tensor/tensor.hpp"

namespace lact {

// Median seconds of `runs` calls after two more, each with all its work on the device done.
double median_seconds(Device& d, std::int64_t runs, const std::function<void()>& call);
// Floating-point operations per second of one large product on this device, of numbers drawn at random (zeros run
// faster). t: the type of the operands, f32 or bf16; the sums are f32.
double measured_product_rate(Device& d, DType t);
// Seconds of y = a b, [m, k] x [k, n], numbers drawn at random.
double product_seconds(Device& d, DType t, std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t runs);

}  // namespace lact
