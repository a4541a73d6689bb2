// What to change when a step does not fit into the memory of a device.
#pragma once
#include <functional>

#include "train/config.hpp"

namespace lact {

// The nearest settings that fit `capacity` bytes on each of so many ranks, by plans, as the end of a sentence about
// memory: activation checkpointing, then more micro-batches, then other layouts, then more ranks along cp.
std::string what_fits(const RunConfig& cfg, int ranks, double capacity);
// Runs `body`; where a device has too little memory for it, the error says what would fit.
void with_memory_advice(const RunConfig& cfg, int ranks, const std::function<void()>& body);

}  // namespace lact
