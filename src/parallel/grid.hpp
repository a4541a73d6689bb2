// Ranks as a grid pipeline x data x context x tensor, tensor fastest. Arithmetic only: every "who talks to whom" is
// tested on one rank.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace lact {

enum class Axis : std::uint8_t { pp, dp, cp, tp };  // slow to fast: tp neighbours share a node
const char* name_of(Axis a);

struct Axes {  // a set
  std::uint8_t bits = 0;
  constexpr Axes() = default;
  constexpr Axes(Axis a) : bits(std::uint8_t(1u << int(a))) {}
  constexpr Axes operator|(Axes o) const {
    o.bits |= bits;
    return o;
  }
  constexpr bool has(Axis a) const { return (bits >> int(a)) & 1u; }
  constexpr bool operator==(const Axes&) const = default;
};

struct Grid {
  std::array<int, 4> size{1, 1, 1, 1};  // pp dp cp tp
  int ranks() const { return size[0] * size[1] * size[2] * size[3]; }
  std::array<int, 4> place(int rank) const;
  int rank_at(const std::array<int, 4>& place) const;
  // The ranks that differ from `rank` only along the axes, in rank order.
  std::vector<int> line(int rank, Axes along) const;
  // Fills dp with the ranks left over by the others; refuses a product that is not the number of ranks.
  static Grid of(int ranks, int pp, int dp, int cp, int tp);
};

}  // namespace lact
