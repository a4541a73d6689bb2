#include <algorithm>
#include <iostream>

#include "app/bench.hpp"
#include "base/clock.hpp"
#include "base/median.hpp"
#include "files/json.hpp"
#include "parallel/world.hpp"

namespace lact {
namespace {

struct CommConfig {
  std::int64_t least = 4 << 10, most = 64 << 20, times = 8;
  double seconds = 0.2;
  std::string device = "cpu";
  void fields(Fields& f) {
    f("least", least, "bytes of the smallest size");
    f("most", most, "bytes of the largest size");
    f("times", times, "each size is so many times the one before");
    f("seconds", seconds, "about how long one row is measured");
    f("compute.device", device, "where the numbers are: cpu, cuda, or best");
  }
};

struct CommRow {
  Op op;
  std::string transport;
  std::int64_t bytes = 0, calls = 0, wrong = 0;  // bytes: the whole tensor, on one rank
  double seconds = 0;                            // median over calls of the slowest rank
  double bus_bytes_per_second = 0;
};

// What rank r holds at position i: whole numbers whose sums are exact in f32.
float held(int r, std::int64_t i) { return float((i * 7 + r * 31 + 3) % 101); }

// One collective on `n` numbers per rank as users call it, and how many numbers it left wrong.
class Trial {
 public:
  Trial(Communicator& c, Op op, std::int64_t n, Device& d)
      : c_(c), device_(d), op_(op), part_(n / c.size()), n_(part_ * c.size()) {
    in_ = Tensor::empty(d, {op == Op::all_gather ? part_ : n_});
    out_ = in_place() ? in_ : Tensor::empty(d, {op == Op::reduce_scatter ? part_ : n_});
    for (std::int64_t i = 0; i < in_.count(); ++i) held_.push_back(held(c_.rank(), i));
  }
  std::int64_t bytes() const { return n_ * 4; }
  void fill() { device_.copy_in(in_.raw(), held_.data(), held_.size() * sizeof(float)); }
  void run() {
    call();
    device_.compute().finish();
  }
  std::int64_t wrong() const {
    std::vector<float> got(std::size_t(out_.count()));
    device_.copy_out(got.data(), out_.raw(), got.size() * sizeof(float));
    std::int64_t count = 0;
    for (std::size_t i = 0; i < got.size(); ++i) count += got[i] != expected(std::int64_t(i));
    return count;
  }
  // As nccl-tests counts: what a link must carry at least for each byte of the tensor.
  double bus_factor() const {
    const double others = double(c_.size() - 1) / c_.size();
    if (op_ == Op::all_reduce) return 2 * others;
    return op_ == Op::all_gather || op_ == Op::reduce_scatter || op_ == Op::all_to_all ? others : 1;
  }

 private:
  void call() {
    const int next = (c_.rank() + 1) % c_.size(), last = (c_.rank() + c_.size() - 1) % c_.size();
    switch (op_) {
      case Op::all_reduce:
        return c_.all_reduce(in_).wait();
      case Op::all_gather:
        return c_.all_gather(out_, in_).wait();
      case Op::reduce_scatter:
        return c_.reduce_scatter(out_, in_).wait();
      case Op::reduce_to:
        return c_.reduce_to(in_, 0).wait();
      case Op::broadcast:
        return c_.broadcast(in_, 0).wait();
      case Op::all_to_all:
        return c_.all_to_all(out_, in_).wait();
      case Op::exchange:
        return c_.exchange(std::vector<Message>{{in_, next, true}, {out_, last, false}}).wait();
    }
  }
  bool in_place() const { return op_ == Op::all_reduce || op_ == Op::reduce_to || op_ == Op::broadcast; }
  float sum(std::int64_t i) const {
    float s = 0;
    for (int r = 0; r < c_.size(); ++r) s += held(r, i);
    return s;
  }
  float expected(std::int64_t i) const {
    const std::int64_t me = c_.rank();
    switch (op_) {
      case Op::all_reduce:
        return sum(i);
      case Op::all_gather:
        return held(int(i / part_), i % part_);
      case Op::reduce_scatter:
        return sum(me * part_ + i);
      case Op::reduce_to:
        return me == 0 ? sum(i) : held(int(me), i);
      case Op::broadcast:
        return held(0, i);
      case Op::all_to_all:
        return held(int(i / part_), me * part_ + i % part_);
      case Op::exchange:
        break;
    }
    return held(int((me + c_.size() - 1) % c_.size()), i);
  }
  Communicator& c_;
  Device& device_;
  Op op_;
  std::int64_t part_, n_;  // numbers of one rank's part, and of the whole
  std::vector<float> held_;
  Tensor in_, out_;
};

double over_ranks(Communicator& c, double x, Reduce op) {
  static const auto host = Device::open(Backend::cpu);
  const Tensor t = Tensor::of(*host, {1}, std::span<const double>(&x, 1), DType::f64);
  c.all_reduce(t, op).wait();
  return t.item();
}

CommRow measured(Communicator& c, Op op, std::int64_t bytes, double seconds, Device& d) {
  Trial trial(c, op, std::max<std::int64_t>(bytes / 4, c.size()), d);
  const bool through_host = d.backend() != Backend::cpu && c.size() > 1 && std::string(c.transport()) != "nccl";
  CommRow row{op, through_host ? "staged" : c.transport(), trial.bytes()};
  trial.fill();
  trial.run();
  row.wrong = std::int64_t(over_ranks(c, double(trial.wrong()), Reduce::sum));
  std::vector<double> slowest;
  for (double spent = 0; row.calls < 5 || (spent < seconds && row.calls < 1000); ++row.calls) {
    trial.fill();  // sums grow from call to call otherwise
    over_ranks(c, 0, Reduce::max);
    const double begin = steady_seconds();
    trial.run();
    slowest.push_back(over_ranks(c, steady_seconds() - begin, Reduce::max));
    spent += slowest.back();  // the same on all ranks, so all stop together
  }
  row.seconds = upper_median(std::move(slowest));
  row.bus_bytes_per_second = c.size() == 1 ? 0 : double(row.bytes) * trial.bus_factor() / row.seconds;
  return row;
}

std::vector<CommRow> rows_of(Communicator& world, const CommConfig& cfg) {
  const auto device = device_of_rank(backend_named(cfg.device));
  std::vector<std::unique_ptr<Communicator>> lines;
  for (Transport t : {Transport::messages, Transport::best}) {
    auto line = with_transport(world, t, "bench");
    if (t == Transport::best) line->meet_on(*device);
    if (lines.empty() || std::string(lines.back()->transport()) != line->transport()) lines.push_back(std::move(line));
  }
  std::vector<CommRow> rows;
  for (std::size_t op = 0; op < op_kinds; ++op)
    for (const auto& line : lines) {
      const bool of_the_host = device->backend() == Backend::cpu;
      if (of_the_host && Op(op) == Op::exchange && line != lines.front()) continue;  // messages in any case
      for (std::int64_t bytes = cfg.least; bytes <= cfg.most; bytes *= cfg.times)
        rows.push_back(measured(*line, Op(op), bytes, cfg.seconds, *device));
    }
  return rows;
}

Json as_json(const std::vector<CommRow>& rows) {
  const WorldInfo& w = world_info();
  Json list = Json::array();
  for (const CommRow& r : rows)
    list.push(Json::object({{"collective", name_of(r.op)},
                            {"transport", r.transport},
                            {"bytes", r.bytes},
                            {"calls", r.calls},
                            {"seconds", r.seconds},
                            {"bus_bytes_per_second", r.bus_bytes_per_second},
                            {"wrong", r.wrong}}));
  return Json::object({{"ranks", w.ranks}, {"hosts", w.hosts}, {"library", w.library}, {"rows", list}});
}

void print(const std::vector<CommRow>& rows) {
  const WorldInfo& w = world_info();
  std::cout << fill(
      "{} ranks on {} hosts, {}\n{:<15} {:<9} {:>10} {:>6} {:>10} {:>9} {:>6}\n",
      {w.ranks, w.hosts, w.library, "collective", "transport", "bytes", "calls", "ms", "bus GB/s", "wrong"});
  for (const CommRow& r : rows)
    std::cout << fill(
        "{:<15} {:<9} {:>10} {:>6} {:>10.4f} {:>9.3f} {:>6}\n",
        {name_of(r.op), r.transport, r.bytes, r.calls, r.seconds * 1e3, r.bus_bytes_per_second / 1e9, r.wrong});
}

}  // namespace

std::string comm_keys() { return keys_of<CommConfig>(); }

int bench_comm_command(const Arguments& args, bool json) {
  const auto cfg = bench_config<CommConfig>(args);
  check(cfg.least > 0 && cfg.most >= cfg.least && cfg.times > 1, "least={} most={} times={} are no growing sizes",
        cfg.least, cfg.most, cfg.times);
  const auto world = open_world();
  const std::vector<CommRow> rows = rows_of(*world, cfg);
  if (world->rank() == 0 && json)
    std::cout << as_json(rows).dump() << "\n";
  else if (world->rank() == 0)
    print(rows);
  return std::ranges::all_of(rows, [](const CommRow& r) { return r.wrong == 0; }) ? exit_done : exit_error;
}

}  // namespace lact
