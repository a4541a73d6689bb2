// What becomes of damaged pictures over the ranks of a run.
#pragma once
#include <set>
#include <string>

#include "data/views/config.hpp"
#include "data/views/watched_views.hpp"
#include "parallel/communicator.hpp"

namespace lact {

// Says every sentence about damage once, whichever ranks found it, and what becomes of it.
class DamageReport {
 public:
  explicit DamageReport(std::string consequence = "its view is left out") : consequence_(std::move(consequence)) {}
  void tell(const std::vector<std::string>& found, Communicator& world);  // since the beginning; collective

 private:
  std::string consequence_;
  std::set<std::string> told_;
};

// Reads every picture, shared out over the ranks; an error that names damaged ones if there are any. Collective.
void refuse_damaged(const WatchedViews& source, const DataConfig& config, Communicator& world);

}  // namespace lact
