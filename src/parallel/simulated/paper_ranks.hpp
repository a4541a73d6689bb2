// Ranks on paper: one process plays one rank of any grid. Nothing travels. The ledgers count what would, and the clock
// of the device on paper advances by the time that a link would take.
#pragma once
#include <functional>

#include "parallel/mesh.hpp"
#include "tensor/device_paper.hpp"

namespace lact {

struct PaperLink {
  double latency = 0;           // seconds of a step from rank to rank
  double bandwidth = 1;         // bytes per second into or out of a rank
  bool beside_compute = false;  // whether the rank computes while numbers travel
  // Of a call in which so many bytes leave or reach a rank, whichever is more.
  double seconds(Op op, int ranks, double bytes) const;
};

std::string paper_line(const std::string& label);  // the row of the device's tally for a communicator's waits

// The mesh as rank `rank` sees it. `link`: what joins the ranks of a line along these axes.
Mesh mesh_on_paper(const Grid& grid, int rank, const std::function<PaperLink(Axes)>& link);

}  // namespace lact
