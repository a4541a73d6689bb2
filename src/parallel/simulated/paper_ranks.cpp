#include "parallel/simulated/paper_ranks.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace lact {
namespace {

// When a transfer that began at a moment is over. On links that work beside the compute the clock goes on meanwhile.
class OnItsWay final : public Work::State {
 public:
  OnItsWay(PaperDevice& device, double until, std::string line)
      : device_(device), until_(until), line_(std::move(line)) {}
  void wait() override { device_.wait_until(until_, line_); }

 private:
  PaperDevice& device_;
  double until_;
  std::string line_;
};

class Paper final : public Communicator {
 public:
  Paper(int rank, int size, const std::string& label, const PaperLink& link)
      : Communicator(label), rank_(rank), size_(size), link_(link) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const char* transport() const override { return "paper"; }
  std::unique_ptr<Communicator> split(int, int, const std::string&) override {
    fail("a communicator on paper has no peers that it could ask for a part of them");
  }

 protected:
  std::shared_ptr<Work::State> start(Collective call) override {
    const Tensor& some = call.op == Op::exchange ? call.messages.front().body : call.out;
    auto& device = static_cast<PaperDevice&>(some.device());
    double begin = std::max(device.seconds(), free_at_), took = link_.seconds(call.op, size_, bytes_of(call));
    free_at_ = begin + took;
    if (!link_.beside_compute) device.wait_until(free_at_, paper_line(label()));
    return std::make_shared<OnItsWay>(device, free_at_, paper_line(label()));
  }

 private:
  // Through the busier of this rank's two directions.
  double bytes_of(const Collective& call) const {
    if (call.op == Op::exchange) {
      double out = 0, in = 0;
      for (const Message& m : call.messages) (m.send ? out : in) += double(m.body.count() * size_of(m.body.dtype()));
      return std::max(out, in);
    }
    double unit = double(size_of(call.out.dtype())), total = 0;
    const auto ranks = std::size_t(size_), me = std::size_t(rank_);
    if (call.op == Op::all_to_all) {
      double in = 0, out = 0;
      for (std::size_t r = 0; r < ranks; ++r) {
        if (r == me) continue;
        out += double(call.counts[me * ranks + r]), in += double(call.counts[r * ranks + me]);
      }
      return unit * std::max(out, in);
    }
    for (std::int64_t c : call.counts) total += double(c);
    double others = total - double(call.counts[me]);
    if (call.op == Op::all_reduce) return unit * 2 * others;
    return unit * (call.op == Op::broadcast || call.op == Op::reduce_to ? total : others);
  }

  int rank_, size_;
  PaperLink link_;
  double free_at_ = 0;  // the transfers of one communicator follow each other
};

}  // namespace

std::string paper_line(const std::string& label) { return "waiting for " + label; }

// Steps of a ring, or of a tree where one rank gives to all; messages of an exchange travel at once.
double PaperLink::seconds(Op op, int ranks, double bytes) const {
  if (ranks == 1) return 0;
  double steps = op == Op::all_reduce ? 2 * (ranks - 1) : op == Op::exchange ? 1 : ranks - 1;
  return steps * latency + bytes / bandwidth;
}

Mesh mesh_on_paper(const Grid& grid, int rank, const std::function<PaperLink(Axes)>& link) {
  return Mesh(grid, rank, [&](Axes along, const std::string& label) -> std::unique_ptr<Communicator> {
    const std::vector<int> members = grid.line(rank, along);
    int at = int(std::ranges::find(members, rank) - members.begin());
    return std::make_unique<Paper>(at, int(members.size()), label, link(along));
  });
}

}  // namespace lact
