// What utilisation is measured against, and how things are measured.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "tensor/tensor.hpp"

namespace lact {

// Normal numbers that every type holds exactly, the same on all devices.
Tensor drawn(Device& d, DType t, Shape s, const char* name, double deviation = 1);
// Median seconds of a call over `runs` measurements after two more, by the device's own time; short calls are repeated
// within each.
double median_seconds(Device& d, std::int64_t runs, const std::function<void()>& call);
// Floating-point operations per second of one large product on this device, of numbers drawn at random (zeros run
// faster). t: the type of the operands, f32 or bf16; the sums are f32. size: of the square matrices; 0: as large as it
// takes.
double measured_product_rate(Device& d, DType t, std::int64_t size = 0);
// Bytes per second that a copy of `bytes` reads and writes; 0: of more than the caches hold.
double measured_copy_rate(Device& d, std::int64_t bytes = 0);
// Seconds of y = a b, [m, k] x [k, n], numbers drawn at random.
double product_seconds(Device& d, DType t, std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t runs);
// Length of the difference over the length of the judge; NaN where a number is not finite.
double relative_difference(const std::vector<double>& mine, const std::vector<double>& judge);

}  // namespace lact
