#include <algorithm>

#include "autograd/checkpoint.hpp"
#include "base/check.hpp"
#include "layers/fast_weights/mini_batch/inner_loop.hpp"

namespace lact {
namespace {

// What a group of mini-batches of one size reads, as the flat list that a checkpoint takes.
struct Inputs {
  InnerWeights w;
  MiniBatchTokens x;
  InnerNorm norm;
  Var scale;  // [K]

  std::vector<Var> listed() const {
    std::vector<Var> all{x.q, x.k, x.v, x.rate, norm.weight, norm.bias, scale, w.w1};
    if (w.hidden()) all.insert(all.end(), {w.w2, w.b2});
    return all;
  }
  static Inputs of(std::span<const Var> v, double eps) {
    const bool hidden = v.size() == 10;
    return {.w = {v[7], hidden ? v[8] : Var(), hidden ? v[9] : Var()},
            .x = {v[0], v[1], v[2], v[3]},
            .norm = {v[4], v[5], eps},
            .scale = v[6]};
  }
};

// What the mini-batches of a group multiply, each made for all of them at once and cut into theirs.
struct Factors {
  std::vector<Var> keys, queries;  // [B, K, f + 1]
  std::vector<Var> target;         // [B, K, f]
  std::vector<Var> pair_rate;  // [B, K, K]: what the gradient of token m weighs in the output of token n; 0 for m > n
  std::vector<Var> mix;        // pair_rate times <query n, key m>
  std::vector<Var> step_rate;  // [B, K, 1]: what it weighs in the next weights, or in the sums
  std::vector<Var> rated;      // step_rate times keys
};

// `complete`: the weights step by the scale of the last token; else the sums are wanted as they are.
Factors factors_of(const Inputs& in, bool complete) {
  const std::int64_t items = in.x.q.dim(0), tokens = in.x.q.dim(1), size = in.scale.dim(0), n = tokens / size;
  const std::vector<std::int64_t> sizes(std::size_t(n), size);
  auto by_batch = [&](const Var& x) { return view(x, {items, n, size, x.dim(2)}); };
  auto cut_up = [&](const Var& x) { return pieces(view(x, {items, tokens, x.dim(-1)}), 1, sizes); };
  const Var keys = with_one(in.x.k), queries = with_one(in.x.q);
  const Var order = view(lower_triangle(expand(view(in.scale, {1, size, 1}), {1, size, size}), 0), {size, size});
  const Var pair_rate = mul(transpose(by_batch(in.x.rate)), order);
  const Var mix = mul(matmul(by_batch(queries), by_batch(keys), Orient::nt), pair_rate);
  const Var step_rate = complete ? mul(in.x.rate, cut(in.scale, 0, {size - 1, size})) : in.x.rate;
  return {.keys = cut_up(keys),
          .queries = cut_up(queries),
          .target = cut_up(sub(in.x.v, in.x.k)),
          .pair_rate = in.w.hidden() ? cut_up(pair_rate) : std::vector<Var>(std::size_t(n)),
          .mix = cut_up(mix),
          .step_rate = cut_up(step_rate),
          .rated = cut_up(mul(keys, step_rate))};
}

// The outputs of mini-batch i: what the weights at its start give, less what the gradients of the tokens up to each one
// take away, which needs no weights of their own.
Var outputs(const InnerWeights& w, const InnerGradients& g, const Factors& f, std::size_t i) {
  const Var z1 = matmul_add(matmul(f.queries[i], w.w1), 1, f.mix[i], g.g1, -1);
  if (!w.hidden()) return z1;
  const Var hidden = gelu_tanh(z1);
  const Var mix = mul(shift(matmul(hidden, g.hidden, Orient::nt), 1), f.pair_rate[i]);
  return matmul_add(second_map(w, hidden), 1, mix, g.g2, -1);
}

// {outputs, next weights or sums}
std::vector<Var> run_group(std::span<const Var> listed, double eps, bool complete) {
  const Inputs in = Inputs::of(listed, eps);
  const Factors f = factors_of(in, complete);
  InnerWeights w = in.w;
  std::vector<Var> out;
  for (std::size_t i = 0; i < f.keys.size(); ++i) {
    const InnerGradients g = inner_gradients(w, in.norm, f.keys[i], f.target[i], f.rated[i], f.step_rate[i]);
    out.push_back(outputs(w, g, f, i));
    w = complete ? descended(w, g) : summed(g);
  }
  std::vector<Var> results{join(out, 1), w.w1};
  if (w.hidden()) results.insert(results.end(), {w.w2, w.b2});
  return results;
}

InnerWeights weights_of(std::span<const Var> results) {
  return results.size() == 4 ? InnerWeights{results[1], results[2], results[3]} : InnerWeights{results[1], {}, {}};
}

// The tokens of each group, and those of the mini-batch that is not full.
std::vector<std::int64_t> group_sizes(std::int64_t tokens, std::int64_t size, std::int64_t group) {
  const std::int64_t full = tokens / size * size, step = group > 0 ? group * size : std::max<std::int64_t>(full, 1);
  std::vector<std::int64_t> sizes;
  for (std::int64_t at = 0; at < full; at += step) sizes.push_back(std::min(step, full - at));
  if (tokens > full) sizes.push_back(tokens - full);
  return sizes;
}

}  // namespace

MiniBatchRun run_dual(Ctx& c, const MiniBatchState& before, const MiniBatchTokens& x, const MiniBatchRule& rule) {
  const std::int64_t size = rule.size(), tokens = x.q.dim(1);
  check(before.offset % size == 0 && !before.sums, "{} tokens end inside a mini-batch of {}", before.offset, size);
  MiniBatchRun run{x.q, {before.start, {}, before.offset + tokens}};
  if (tokens == 0) return run;
  const std::vector<std::int64_t> sizes = group_sizes(tokens, size, rule.group);
  const std::vector<Var> q = pieces(x.q, 1, sizes), k = pieces(x.k, 1, sizes), v = pieces(x.v, 1, sizes),
                         rate = pieces(x.rate, 1, sizes);
  std::vector<Var> out;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const bool complete = sizes[i] % size == 0;
    const Inputs in{.w = run.state.start,
                    .x = {q[i], k[i], v[i], rate[i]},
                    .norm = rule.norm,
                    .scale = complete ? rule.position_scale : cut(rule.position_scale, 0, {0, sizes[i]})};
    auto body = [eps = rule.norm.eps, complete](Tape*, std::span<const Var> all) {
      return run_group(all, eps, complete);
    };
    const std::vector<Var> results = rule.group > 0 ? checkpoint(c.tape, in.listed(), body) : body(c.tape, in.listed());
    out.push_back(results[0]);
    (complete ? run.state.start : run.state.sums) = weights_of(results);
  }
  run.z = join(out, 1);
  return run;
}

MiniBatchRun run_mini_batches(Ctx& c, const MiniBatchState& before, const MiniBatchTokens& x,
                              const MiniBatchRule& rule) {
  const std::int64_t inside = before.offset % rule.size(), tokens = x.q.dim(1);
  if (inside == 0) return run_dual(c, before, x, rule);
  const std::int64_t first = std::min(rule.size() - inside, tokens);
  const MiniBatchRun head = run_primal(before, x.part({0, first}), rule);
  if (first == tokens) return head;
  MiniBatchRun rest = run_dual(c, head.state, x.part({first, tokens}), rule);
  rest.z = join({head.z, rest.z}, 1);
  return rest;
}

}  // namespace lact
