// The tensor-core instructions by their definition in the PTX manual: who holds which number of a matrix.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace lact::kernels::cuda {

using Fragment = std::uint32_t[4];

namespace {
char* shared_bytes(unsigned at) { return static_cast<char*>(emulated::dynamic_shared()) + at; }
float half_of(std::uint32_t pair, int high) {
  const std::uint32_t bits = (high ? pair >> 16 : pair & 0xffffu) << 16;
  float f;
  std::memcpy(&f, &bits, sizeof(f));
  return f;
}
struct Words {
  std::uint32_t at[6];
};
void read_matrices(Fragment& to, unsigned at, bool turned) {
  unsigned rows[32];
  const auto* all = static_cast<const char*>(emulated::exchange(&at, sizeof(at)));
  for (int l = 0; l < 32; ++l) std::memcpy(&rows[l], all + 64 * l, sizeof(unsigned));
  emulated::done_with_exchange();
  const int lane = emulated::lane();
  for (int i = 0; i < 4; ++i) {
    std::uint16_t two[2];
    for (int j = 0; j < 2; ++j) {
      const int row = turned ? lane % 4 * 2 + j : lane / 4, column = turned ? lane / 4 : lane % 4 * 2 + j;
      std::memcpy(&two[j], shared_bytes(rows[8 * i + row]) + 2 * column, 2);
    }
    to[i] = std::uint32_t(two[0]) | std::uint32_t(two[1]) << 16;
  }
}
}  // namespace

template <class T>
T* shared_memory() {
  return static_cast<T*>(emulated::dynamic_shared());
}
inline unsigned shared_address(const void* p) {
  return unsigned(static_cast<const char*>(p) - static_cast<const char*>(emulated::dynamic_shared()));
}
inline void copy_async(unsigned to, const void* from, bool there) {
  if (there)
    std::memcpy(shared_bytes(to), from, 16);
  else
    std::memset(shared_bytes(to), 0, 16);
}
inline void commit() {}
template <int N>
void wait_until_left() {}
inline void read(Fragment& to, unsigned at) { read_matrices(to, at, false); }
inline void read_turned(Fragment& to, unsigned at) { read_matrices(to, at, true); }

// a: register r of lane l holds row l / 4 + 8 (r % 2), columns l % 4 * 2 + 8 (r / 2) and the next; b: register r holds
// rows l % 4 * 2 + 8 r and the next, column l / 4; y: register r holds row l / 4 + 8 (r / 2), column l % 4 * 2 + r % 2.
inline void multiply(float (&y)[4], const Fragment& a, std::uint32_t b0, std::uint32_t b1) {
  const Words mine{{a[0], a[1], a[2], a[3], b0, b1}};
  const auto* all = static_cast<const char*>(emulated::exchange(&mine, sizeof(mine)));
  Words w[32];
  for (int l = 0; l < 32; ++l) std::memcpy(&w[l], all + 64 * l, sizeof(Words));
  emulated::done_with_exchange();
  const int lane = emulated::lane();
  for (int r = 0; r < 4; ++r) {
    const int row = lane / 4 + 8 * (r / 2), column = lane % 4 * 2 + r % 2;
    for (int k = 0; k < 16; ++k) {
      const std::uint32_t left = w[row % 8 * 4 + k % 8 / 2].at[row / 8 + 2 * (k / 8)];
      const std::uint32_t right = w[column * 4 + k % 8 / 2].at[4 + k / 8];
      y[r] += half_of(left, k % 2) * half_of(right, k % 2);
    }
  }
}
inline std::uint32_t packed(float low, float high) {
  auto rounded = [](float f) {
    std::uint32_t u;
    std::memcpy(&u, &f, sizeof(u));
    if ((u & 0x7fffffffu) > 0x7f800000u) return (u >> 16) | 0x40u;
    return (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  };
  return (rounded(low) & 0xffffu) | rounded(high) << 16;
}
inline float exp2_of(float x) { return std::exp2(x); }

}  // namespace lact::kernels::cuda
