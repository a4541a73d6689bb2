// The selective scan: channels go side by side through the lanes of a register, tokens one after the other.
#include "kernels/selective_scan.hpp"

#include "kernels/cpu/partials.hpp"
#include "kernels/layout.hpp"

namespace lact::kernels::cpu {
namespace {

template <class T>
constexpr std::int64_t lanes = 64 / std::int64_t(sizeof(T));
constexpr std::int64_t lanes_per_task = 8;  // whose sums over channels are added one after the other

// Which channels of which sample.
struct Task {
  std::int64_t sample, group, first, end;
};
template <class T, class F>
void each_task(const Tensor& u, F f) {
  const std::int64_t width = lanes<T> * lanes_per_task, d = u.dim(2), groups = (d + width - 1) / width;
  split(u.dim(0) * groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t group = i % groups;
      f(Task{i / groups, group, group * width, std::min(d, (group + 1) * width)});
    }
  });
}

template <class T, class Scan>
ScanChannels<T> channels_of(const Scan& t, std::int64_t sample, std::int64_t first, std::int64_t end) {
  const std::int64_t tokens = t.u.dim(1), d = t.u.dim(2), n = t.a.dim(1), row = sample * tokens * d + first;
  return {.u = t.u.template data<T>() + row,
          .delta = t.delta.template data<T>() + row,
          .b = t.b.template data<T>() + sample * tokens * n,
          .c = t.c.template data<T>() + sample * tokens * n,
          .row = d,
          .tokens = tokens,
          .states = n,
          .count = std::min(lanes<T>, end - first),
          .piece = scan_piece};
}

// [count, n] rows of a tensor to and from [n, lanes].
template <class T>
void turned_in(T* to, const Tensor& x, std::int64_t row, std::int64_t count, std::int64_t n) {
  for (std::int64_t s = 0; s < n; ++s)
    for (std::int64_t i = 0; i < lanes<T>; ++i)
      to[s * lanes<T> + i] = x.defined() && i < count ? x.data<T>()[(row + i) * n + s] : T(0);
}
template <class T>
void turned_out(T* to, const T* from, std::int64_t count, std::int64_t n) {
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t s = 0; s < n; ++s) to[i * n + s] = from[s * lanes<T> + i];
}

}  // namespace

const Cpu<kernels::selective_scan> selective_scan = [](const SelectiveScan& t) {
  const std::int64_t d = t.u.dim(2), n = t.a.dim(1), pieces = t.starts.dim(1);
  for_type(t.y, "selective_scan", [&](auto zero) {
    using T = decltype(zero);
    each_task<T>(t.u, [&](const Task& task) {
      std::vector<T> a(std::size_t(n * lanes<T>)), h(a.size());
      for (std::int64_t first = task.first; first < task.end; first += lanes<T>) {
        const ScanChannels<T> x = channels_of<T>(t, task.sample, first, task.end);
        const std::int64_t row = task.sample * d + first;
        turned_in(a.data(), t.a, first, x.count, n);
        turned_in(h.data(), t.first, row, x.count, n);
        loops<T>().scan(x, t.y.data<T>() + task.sample * x.tokens * d + first,
                        t.starts.data<T>() + task.sample * pieces * n * d + first, a.data(), h.data());
        turned_out(t.last.data<T>() + row * n, h.data(), x.count, n);
      }
    });
  });
};

const Cpu<kernels::selective_scan_grad> selective_scan_grad = [](const SelectiveScanGrad& t) {
  const std::int64_t samples = t.u.dim(0), tokens = t.u.dim(1), d = t.u.dim(2), n = t.a.dim(1),
                     pieces = t.starts.dim(1);
  for_type(t.dy, "selective_scan_grad", [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t width = lanes<T> * lanes_per_task, groups = (d + width - 1) / width;
    Partials<T> db(t.du.device(), groups, samples * tokens * n), dc(t.du.device(), groups, samples * tokens * n),
        da(t.du.device(), samples, d * n);
    each_task<T>(t.u, [&](const Task& task) {
      std::vector<T> a(std::size_t(n * lanes<T>)), g(a.size()), rates(a.size()),
          scratch(a.size() * (2 * scan_piece + 1));
      for (std::int64_t first = task.first; first < task.end; first += lanes<T>) {
        const ScanChannels<T> x = channels_of<T>(t, task.sample, first, task.end);
        const std::int64_t row = task.sample * d + first, token = task.sample * tokens * d + first,
                           of_token = task.sample * tokens * n;
        turned_in(a.data(), t.a, first, x.count, n);
        turned_in(g.data(), t.dlast, row, x.count, n);
        std::fill(rates.begin(), rates.end(), T(0));
        const ScanGrads<T> to{.dy = t.dy.data<T>() + token,
                              .du = t.du.data<T>() + token,
                              .ddelta = t.ddelta.data<T>() + token,
                              .da = rates.data(),
                              .db = db.row(task.group) + of_token,
                              .dc = dc.row(task.group) + of_token};
        loops<T>().scan_grad(x, to, t.starts.data<T>() + task.sample * pieces * n * d + first, a.data(), g.data(),
                             scratch.data());
        turned_out(t.dfirst.data<T>() + row * n, g.data(), x.count, n);
        turned_out(da.row(task.sample) + first * n, rates.data(), x.count, n);
      }
    });
    db.join(t.db.data<T>());
    dc.join(t.dc.data<T>());
    da.join(t.da.data<T>());
  });
};

}  // namespace lact::kernels::cpu
