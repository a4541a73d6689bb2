// The CPU's loops in every instruction set that this processor has.
#include "kernels/cpu/loops/loops.hpp"

#include "base/check.hpp"
#include "kernels/attention.hpp"
#include "kernels/gemm.hpp"
#include "kernels/pointwise.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

using kernels::Unary;

const std::int64_t lengths[] = {0, 1, 7, 16, 17, 33, 100, 1025};
const Unary unaries[] = {Unary::copy,    Unary::scale, Unary::shift,    Unary::square, Unary::sqrt,
                         Unary::inverse, Unary::exp,   Unary::log,      Unary::tanh,   Unary::erf,
                         Unary::sigmoid, Unary::silu,  Unary::softplus, Unary::gelu};
Tensor positive(const Tensor& x) {
  auto v = x.to_doubles();
  for (double& e : v) e = std::abs(e) + 1e-3f;
  return Tensor::of(tested(), x.shape(), std::span<const double>(v), x.dtype());
}

TEST(Loops, ElementWiseInEveryInstructionSet) {
  for (kernels::Isa isa : {kernels::Isa::baseline, kernels::Isa::avx2, kernels::Isa::avx512}) {
    if (!kernels::has(isa)) continue;
    const auto& loops = kernels::loops_for(isa);
    for (std::int64_t n : lengths) {
      Pair x = Pair::random({n}, "x").with(positive), y = Pair::random({n}, "y");
      for (Unary f : unaries) {
        Pair r = Pair::result({n});
        loops.f32.unary(f, r.f32.data<float>(), x.f32.data<float>(), n, 0.5f);
        loops.f64.unary(f, r.f64.data<double>(), x.f64.data<double>(), n, 0.5);
        expect_agrees(r, 8, sentence("unary {} of {} in {}", int(f), n, int(isa)));
      }
      const double sum = loops.f64.sum(y.f64.data<double>(), n);
      EXPECT_NEAR(double(loops.f32.sum(y.f32.data<float>(), n)), sum, eps32 * double(n) * 3);
      // sums have one order in all instruction sets
      EXPECT_EQ(sum, kernels::best_loops().f64.sum(y.f64.data<double>(), n));
      EXPECT_EQ(loops.f32.sum(y.f32.data<float>(), n), kernels::best_loops().f32.sum(y.f32.data<float>(), n));
    }
  }
}

TEST(Loops, ProductsInEveryInstructionSet) {
  const std::int64_t m = 23, n = 48, k = 37;
  const Pair a = Pair::random({m, k}, "a"), b = Pair::random({k, n}, "b");
  for (kernels::Isa isa : {kernels::Isa::baseline, kernels::Isa::avx2, kernels::Isa::avx512}) {
    if (!kernels::has(isa)) continue;
    Pair y = Pair::result({m, n}), turned = Pair::result({k, m});
    const auto& l = kernels::loops_for(isa);
    l.f32.product(y.f32.data<float>(), n, a.f32.data<float>(), k, 1, b.f32.data<float>(), n, m, n, k, false);
    l.f64.product(y.f64.data<double>(), n, a.f64.data<double>(), k, 1, b.f64.data<double>(), n, m, n, k, false);
    expect_agrees(y, 8, sentence("product in {}", int(isa)));
    Tensor once = Tensor::empty(tested(), {m, n}, DType::f64), twice = like(once);
    kernels::matmul(once, a.f64, b.f64);
    kernels::matmul(twice, a.f64, b.f64, 2);
    EXPECT_LE(difference(y.f64, once), 1e-14);
    l.f64.product(y.f64.data<double>(), n, a.f64.data<double>(), k, 1, b.f64.data<double>(), n, m, n, k, true);
    EXPECT_LE(difference(y.f64, twice), 1e-14);
    l.f32.turn(turned.f32.data<float>(), m, a.f32.data<float>(), k, m, k);
    l.f64.turn(turned.f64.data<double>(), m, a.f64.data<double>(), k, m, k);
    EXPECT_TRUE(same_bits(turned.f32, a.f32.transpose()) && same_bits(turned.f64, a.f64.transpose()));
  }
}

TEST(Loops, AttentionInEveryInstructionSet) {
  const std::int64_t queries = 70, keys = 85, d = 19, dv = 21;
  const Pair q = Pair::random({1, 1, queries, d}, "q"), k = Pair::random({1, 1, keys, d}, "k"),
             v = Pair::random({1, 1, keys, dv}, "v"), dout = Pair::random({1, 1, queries, dv}, "dout"),
             o = Pair::result(dout.f64.shape()), lse = Pair::result({1, 1, queries}), dq = Pair::result(q.f64.shape()),
             dk = Pair::result(k.f64.shape()), dvs = Pair::result(v.f64.shape());
  const kernels::Mask mask{true, 30};
  kernels::attention(o.f64, lse.f64, q.f64, k.f64, v.f64, 0.25, mask);
  kernels::attention_grad({dq.f64, dk.f64, dvs.f64, dout.f64, q.f64, k.f64, v.f64, o.f64, lse.f64, 0.25, mask});
  auto f = [](const Pair& p) { return p.f32.data<float>(); };
  const kernels::AttentionHead head{f(q), f(k), f(v), d, d, dv, queries, keys, d, dv, 0.25f, true, 30};
  const kernels::AttentionGrads grads{f(dout), f(o), f(lse), f(dq), f(dk), f(dvs), dv, dv, d, d, dv};
  const Tensor scratch = Tensor::empty(tested(), {kernels::attention_grad_scratch(keys, d, dv)});
  for (kernels::Isa isa : {kernels::Isa::baseline, kernels::Isa::avx2, kernels::Isa::avx512}) {
    if (!kernels::has(isa)) continue;
    const auto& l = kernels::loops_for(isa).attention;
    for (const Pair* p : {&o, &lse, &dq, &dk, &dvs}) kernels::fill(p->f32, std::nan(""));
    for (std::int64_t first = 0; first < queries; first += kernels::attention_tile)
      l.forward(head, f(o), dv, f(lse), first, std::min(kernels::attention_tile, queries - first),
                scratch.data<float>());
    l.backward(head, grads, scratch.data<float>());
    for (const Pair* p : {&o, &lse, &dq, &dk, &dvs}) expect_agrees(*p, 64, sentence("attention in {}", int(isa)));
  }
}

}  // namespace
}  // namespace lact
