#pragma once
#include <cstddef>

#include "base/check.hpp"

namespace lact {

class OutOfMemory final : public Error {  // what a device lacks; train/memory_advice.hpp says what would fit
 public:
  OutOfMemory(const std::string& sentence, std::string where, std::size_t of_device)
      : Error(sentence, std::move(where)), capacity(of_device) {}
  std::size_t capacity;  // bytes that the device has in all
};

}  // namespace lact
