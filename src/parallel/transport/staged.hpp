// Numbers of another device through its host's memory: copied out when a collective begins and in when it is waited
// for. Copying out blocks the calling thread.
#pragma once
#include <functional>

#include "parallel/communicator.hpp"

namespace lact {

class Staged final : public Work::State {
 public:
  static bool needed(const Collective& call);  // some of its numbers are not the CPU's
  using Start = std::function<std::shared_ptr<Work::State>(Collective)>;
  Staged(Collective call, const Start& start);
  void wait() override;

 private:
  Collective there_, here_;  // the call as it was made, and the same on the host
  std::shared_ptr<Work::State> inner_;
};

}  // namespace lact
