// What a forward pass is given besides its values.
#pragma once
#include "autograd/tape.hpp"
#include "parallel/mesh.hpp"

namespace lact {

struct Ctx {
  Tape* tape = nullptr;  // null: nothing is recorded
  Device& device;
  Mesh& mesh;
  std::uint64_t seed = 0;
  std::int64_t step = 0;
  DType activations = DType::f32;  // f32 leaves numbers as they are; bf16: what a model computes from its tokens on
  Spans* spans = nullptr;
  Ctx on(Tape* t) const { return {t, device, mesh, seed, step, activations, spans}; }
};

}  // namespace lact
