#include "layers/recurrent/mamba.hpp"

#include <algorithm>
#include <cmath>

#include "autograd/collectives.hpp"
#include "base/check.hpp"
#include "base/random.hpp"
#include "layers/fast_weights/heads.hpp"
#include "layers/recurrent/shared_sequence.hpp"

namespace lact {

SelectiveScanned selective_scan(const SelectiveTokens& x, const Var& state) {
  const Var u = widened(x.u);
  Var delta = widened(x.delta);
  if (x.delta_bias) delta = add(delta, x.delta_bias);
  if (x.softplus) delta = softplus(delta);
  const std::vector<Var> r = selective_scan(u, delta, x.a, widened(x.b), widened(x.c), state ? widened(state) : Var());
  Var y = r[0];
  if (x.d) y = add(y, mul(u, x.d));
  y = cast(y, x.u.value().dtype());
  return {x.z ? swiglu(x.z, y) : y, r[1]};
}

void MambaConfig::fields(Fields& f) {
  f("d_state", d_state, "states of a channel");
  f("d_conv", d_conv, "tokens that the convolution sees");
  f("expand", expand, "channels, as a multiple of the model's width");
  f("dt_rank", dt_rank, "width that steps are made from; 0: a sixteenth of the model's, rounded up");
  f("conv_bias", conv_bias, "whether the convolution has a bias");
  f("bias", bias, "whether the maps into and out of the layer have biases");
  f("dt_min", dt_min, "least step at the start");
  f("dt_max", dt_max, "largest step at the start");
  f("dt_init_floor", dt_init_floor, "what no step at the start is below");
}

void MambaConfig::check_values() const {
  check(expand > 0 && expand <= 64 && d_state > 0 && d_state <= 4096 && dt_rank >= 0,
        "Mamba of expand={}, d_state={} and dt_rank={}", expand, d_state, dt_rank);
  check(dt_min > 0 && dt_max >= dt_min, "steps between dt_min={} and dt_max={}", dt_min, dt_max);
}

namespace {

std::int64_t channels_of(std::int64_t dim, const MambaConfig& cfg) {  // the first to see the numbers: judges them all
  cfg.check_values();
  return cfg.expand * dim;
}
std::int64_t rank_of(std::int64_t dim, const MambaConfig& cfg) {
  return cfg.dt_rank > 0 ? cfg.dt_rank : (dim + 15) / 16;
}

// The inverse softplus of steps drawn evenly by their logarithm.
Init inverse_softplus_of_steps(const MambaConfig& cfg) {
  return [cfg](std::uint64_t key, std::int64_t i) {
    const double low = std::log(cfg.dt_min), high = std::log(cfg.dt_max);
    const double step = std::max(std::exp(low + (high - low) * uniform(key, i)), cfg.dt_init_floor);
    return inverse_softplus(step);
  };
}
// ln(n + 1) of state n, in each channel.
Init logarithms_of_rates(std::int64_t states) {
  return [states](std::uint64_t, std::int64_t i) { return std::log(double(i % states + 1)); };
}

}  // namespace

Mamba::Mamba(Scope s, std::int64_t dim, const MambaConfig& cfg)
    : states_(cfg.d_state),
      dt_rank_(rank_of(dim, cfg)),
      in_proj_(s / "in_proj", dim, 2 * channels_of(dim, cfg), torch_linear(dim), cfg.bias, LinearSplit::columns, 2),
      conv1d_(s / "conv1d", channels_of(dim, cfg), cfg.d_conv, cfg.conv_bias, true),
      x_proj_(s / "x_proj", channels_of(dim, cfg), dt_rank_ + 2 * cfg.d_state, torch_linear(channels_of(dim, cfg)),
              false, LinearSplit::rows),
      dt_weight_((s / "dt_proj")
                     .parameter("weight", {channels_of(dim, cfg), dt_rank_}, torch_linear(dt_rank_),
                                TpSplit{1, channels_of(dim, cfg), dt_rank_})),
      dt_bias_((s / "dt_proj")
                   .parameter("bias", {channels_of(dim, cfg)}, inverse_softplus_of_steps(cfg),
                              TpSplit{1, channels_of(dim, cfg), 1})),
      a_log_(s.without_decay().parameter("A_log", {channels_of(dim, cfg), cfg.d_state},
                                         logarithms_of_rates(cfg.d_state),
                                         TpSplit{1, channels_of(dim, cfg), cfg.d_state})),
      d_(s.parameter("D", {channels_of(dim, cfg)}, constant(1), TpSplit{1, channels_of(dim, cfg), 1})),
      out_proj_(s / "out_proj", channels_of(dim, cfg), dim, torch_linear(channels_of(dim, cfg)), cfg.bias,
                LinearSplit::rows) {
  check(channels_of(dim, cfg) % s.tp() == 0, "{} channels of Mamba do not divide over {} ranks of tp",
        channels_of(dim, cfg), s.tp());
}

Var Mamba::operator()(Ctx& c, const Var& rows, const TokenLayout& tokens, MambaState* state) const {
  const Var az = in_proj_(c, whole_sequence(c, rows, tokens));
  const std::int64_t channels = az.dim(2) / 2;
  const Var before = cut(az, 2, {0, channels}), z = cut(az, 2, {channels, 2 * channels});
  const Var u = silu(conv1d_(c, before, state != nullptr ? &state->inputs : nullptr));
  // of all channels, so summed over tp
  const Var made = sum_over(widened(x_proj_(c, u)), c.mesh.along(Axis::tp));
  const Var step = linear(cut(made, 2, {0, dt_rank_}), use(c, dt_weight_));
  const SelectiveTokens x{.u = u,
                          .delta = step,
                          .a = scale(exp(use(c, a_log_)), -1),
                          .b = cut(made, 2, {dt_rank_, dt_rank_ + states_}),
                          .c = cut(made, 2, {dt_rank_ + states_, dt_rank_ + 2 * states_}),
                          .d = use(c, d_),
                          .z = z,
                          .delta_bias = use(c, dt_bias_)};
  const SelectiveScanned r = selective_scan(x, state != nullptr ? state->memory : Var());
  if (state != nullptr) state->memory = r.state;
  return scatter_tokens(c, out_proj_(c, gather_rows(r.y, tokens.mine())));
}

}  // namespace lact
