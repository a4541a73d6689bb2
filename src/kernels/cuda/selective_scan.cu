// The selective scan: a thread per channel goes through the tokens with a few states at a time, so that neighbouring
// threads read neighbouring channels. Sums over channels are those of warps, joined in their order.
#include "kernels/selective_scan.hpp"

#include "kernels/cuda/sums.cuh"

namespace lact::kernels::cuda {
namespace {

constexpr int at_once = 4;  // states

template <class T>
struct ScanInputs {  // u and delta [s, t, d], a [d, n], b and c [s, t, n]
  const T *u, *delta, *a, *b, *c;
  std::int64_t samples, tokens, channels, states;
};
template <class T, class Scan>
ScanInputs<T> inputs_of(const Scan& t) {
  return {t.u.template data<T>(),
          t.delta.template data<T>(),
          t.a.template data<T>(),
          t.b.template data<T>(),
          t.c.template data<T>(),
          t.u.dim(0),
          t.u.dim(1),
          t.u.dim(2),
          t.a.dim(1)};
}

template <class T>
struct ScanChannel {  // i = sample, channel
  ScanInputs<T> x;
  T *y, *last, *starts;
  const T* first;
  template <int V>
  __device__ void at(std::int64_t i) const {
    const std::int64_t sample = i / x.channels, channel = i % x.channels, n = x.states;
    const std::int64_t pieces = (x.tokens + scan_piece - 1) / scan_piece;
    if (n == 0)
      for (std::int64_t t = 0; t < x.tokens; ++t) y[(sample * x.tokens + t) * x.channels + channel] = T(0);
    for (std::int64_t base = 0; base < n; base += at_once) {
      T h[at_once], rate[at_once];
      for (int k = 0; k < at_once; ++k) {
        const bool mine = base + k < n;
        h[k] = mine && first != nullptr ? first[i * n + base + k] : T(0);
        rate[k] = mine ? x.a[channel * n + base + k] : T(0);
      }
      for (std::int64_t t = 0; t < x.tokens; ++t) {
        const std::int64_t row = sample * x.tokens + t, here = row * x.channels + channel;
        const T step = x.delta[here], input = step * x.u[here];
        T sum = base == 0 ? T(0) : y[here];
        for (int k = 0; k < at_once && base + k < n; ++k) {
          if (t % scan_piece == 0)
            starts[((sample * pieces + t / scan_piece) * n + base + k) * x.channels + channel] = h[k];
          h[k] = scalar::exp(step * rate[k]) * h[k] + x.b[row * n + base + k] * input;
          sum += x.c[row * n + base + k] * h[k];
        }
        y[here] = sum;
      }
      for (int k = 0; k < at_once && base + k < n; ++k) last[i * n + base + k] = h[k];
    }
  }
};

template <class T>
struct ScanChannelGrad {
  ScanInputs<T> x;
  T *du, *ddelta, *dfirst;
  T *da, *db, *dc;  // partial: of each sample [s, d, n], of each warp's channels [groups, s, t, n]
  const T *dy, *dlast, *starts;
};

// A warp takes 32 neighbouring channels of a sample. Past the last channel its threads repeat that one and add nothing.
template <class T>
__global__ void __launch_bounds__(128) scan_grad(ScanChannelGrad<T> g, std::int64_t groups) {
  const ScanInputs<T>& x = g.x;
  const std::int64_t warp = (std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
  if (warp >= x.samples * groups) return;
  const std::int64_t sample = warp / groups, group = warp % groups, wanted = group * 32 + lane, n = x.states;
  const bool mine = wanted < x.channels;
  const std::int64_t channel = mine ? wanted : x.channels - 1, of_state = (sample * x.channels + channel) * n;
  const std::int64_t pieces = (x.tokens + scan_piece - 1) / scan_piece;
  T* to_b = g.db + (group * x.samples + sample) * x.tokens * n;
  T* to_c = g.dc + (group * x.samples + sample) * x.tokens * n;
  for (std::int64_t t = 0; n == 0 && mine && t < x.tokens; ++t)
    g.du[(sample * x.tokens + t) * x.channels + channel] = g.ddelta[(sample * x.tokens + t) * x.channels + channel] =
        T(0);
  for (std::int64_t base = 0; base < n; base += at_once) {
    const int count = n - base < at_once ? int(n - base) : at_once;
    T bar[at_once], rate[at_once], to_rate[at_once], before[scan_piece * at_once];
    for (int k = 0; k < count; ++k) {
      bar[k] = g.dlast != nullptr ? g.dlast[of_state + base + k] : T(0);
      rate[k] = x.a[channel * n + base + k];
      to_rate[k] = T(0);
    }
    for (std::int64_t piece = pieces - 1; piece >= 0; --piece) {
      const std::int64_t begin = piece * scan_piece,
                         end = begin + scan_piece < x.tokens ? begin + scan_piece : x.tokens;
      T h[at_once];
      for (int k = 0; k < count; ++k)
        h[k] = g.starts[((sample * pieces + piece) * n + base + k) * x.channels + channel];
      for (std::int64_t t = begin; t < end; ++t) {
        const std::int64_t row = sample * x.tokens + t, here = row * x.channels + channel;
        const T step = x.delta[here], input = step * x.u[here];
        for (int k = 0; k < count; ++k) {
          before[(t - begin) * at_once + k] = h[k];
          h[k] = scalar::exp(step * rate[k]) * h[k] + x.b[row * n + base + k] * input;
        }
      }
      for (std::int64_t t = end - 1; t >= begin; --t) {
        const std::int64_t row = sample * x.tokens + t, here = row * x.channels + channel;
        const T step = x.delta[here], u = x.u[here], dy = g.dy[here];
        T to_u = base == 0 ? T(0) : g.du[here], to_step = base == 0 ? T(0) : g.ddelta[here];
        for (int k = 0; k < count; ++k) {
          const T b = x.b[row * n + base + k], c = x.c[row * n + base + k], old = before[(t - begin) * at_once + k];
          const T decay = scalar::exp(step * rate[k]), now = decay * old + b * (step * u), whole = bar[k] + c * dy;
          const T through = whole * decay;
          const T sum_c = sum<32>(mine ? dy * now : T(0)), sum_b = sum<32>(mine ? whole * step * u : T(0));
          if (lane == 0) to_c[t * n + base + k] = sum_c, to_b[t * n + base + k] = sum_b;
          to_u += whole * b * step;
          to_step += through * old * rate[k] + whole * b * u;
          to_rate[k] += through * old * step;
          bar[k] = through;
        }
        if (mine) g.du[here] = to_u, g.ddelta[here] = to_step;
      }
    }
    for (int k = 0; mine && k < count; ++k) {
      g.da[of_state + base + k] = to_rate[k];
      g.dfirst[of_state + base + k] = bar[k];
    }
  }
}

template <class T>
struct PartAt {  // parts [pieces, outputs]
  const T* parts;
  std::int64_t outputs;
  __device__ T operator()(std::int64_t output, std::int64_t piece) const { return parts[piece * outputs + output]; }
};

}  // namespace

const Cuda<kernels::selective_scan> selective_scan = [](const SelectiveScan& t) {
  for_type(t.y, "selective_scan", [&](auto zero) {
    using T = decltype(zero);
    start<1>(t.y, "selective_scan", t.u.dim(0) * t.u.dim(2),
             ScanChannel<T>{.x = inputs_of<T>(t),
                            .y = t.y.data<T>(),
                            .last = t.last.data<T>(),
                            .starts = t.starts.data<T>(),
                            .first = t.first.defined() ? t.first.data<T>() : nullptr});
  });
};

const Cuda<kernels::selective_scan_grad> selective_scan_grad = [](const SelectiveScanGrad& t) {
  for_type(t.dy, "selective_scan_grad", [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t samples = t.u.dim(0), groups = (t.u.dim(2) + 31) / 32;
    const Tensor da = like(t.a, {samples, t.a.dim(0), t.a.dim(1)});
    const Tensor db = like(t.b, {groups, samples, t.b.dim(1), t.b.dim(2)}), dc = like(db);
    const std::int64_t blocks = (samples * groups + 3) / 4;
    if (blocks > 0)
      run("selective_scan_grad", scan_grad<T>, dim3(unsigned(blocks)), 128, 0, t.du,
          ScanChannelGrad<T>{.x = inputs_of<T>(t),
                             .du = t.du.data<T>(),
                             .ddelta = t.ddelta.data<T>(),
                             .dfirst = t.dfirst.data<T>(),
                             .da = da.data<T>(),
                             .db = db.data<T>(),
                             .dc = dc.data<T>(),
                             .dy = t.dy.data<T>(),
                             .dlast = t.dlast.defined() ? t.dlast.data<T>() : nullptr,
                             .starts = t.starts.data<T>()},
          groups);
    sum_up<T>(t.da, t.da.data<T>(), Along::outputs, t.da.count(), samples, PartAt<T>{da.data<T>(), t.da.count()});
    sum_up<T>(t.db, t.db.data<T>(), Along::outputs, t.db.count(), groups, PartAt<T>{db.data<T>(), t.db.count()});
    sum_up<T>(t.dc, t.dc.data<T>(), Along::outputs, t.dc.count(), groups, PartAt<T>{dc.data<T>(), t.dc.count()});
  });
};

}  // namespace lact::kernels::cuda
