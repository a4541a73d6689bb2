// Ranges as lines of the file that EMULATED_NVTX names, nested ones below each other.
#pragma once
#include <cstdlib>
#include <fstream>
#include <string>

namespace emulated {
inline thread_local int ranges = 0;
}
inline int nvtxRangePushA(const char* name) {
  if (const char* file = std::getenv("EMULATED_NVTX"))
    std::ofstream(file, std::ios::app) << std::string(std::size_t(2 * emulated::ranges), ' ') << name << "\n";
  return emulated::ranges++;
}
inline int nvtxRangePop() { return --emulated::ranges; }
