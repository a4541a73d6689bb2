// What becomes of damaged pictures over the ranks of a run.
#pragma once
#include <set>
#include <string>

#include "data/config.hpp"
#include "data/watched_views.hpp"
#include "parallel/communicator.hpp"

namespace lact {

// Names every damaged picture once, whichever ranks met it.
class DamageReport {
 public:
  void tell(const WatchedViews& source, Communicator& world);  // what was found since the last time; collective

 private:
  std::set<std::string> told_;
};

// Reads every picture, shared out over the ranks; an error that names damaged ones if there are any. Collective.
void refuse_damaged(const WatchedViews& source, const DataConfig& config, Communicator& world);

}  // namespace lact
