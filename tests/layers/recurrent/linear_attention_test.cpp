// Recurrences in pieces against the same token by token, in f64: outputs, states, gradients, every size of a piece.
#include "layers/recurrent/linear_attention.hpp"

#include "base/check.hpp"
#include "support/gradcheck.hpp"

namespace lact {
namespace {

struct Sizes {
  std::int64_t b, t, h, d, dv;
};
const Sizes sizes[] = {{2, 19, 2, 5, 3}, {1, 1, 3, 4, 4}, {1, 33, 1, 3, 7}};

Tensor negative(const Tensor& x, double least) {  // gates, some of which forget all
  const Tensor y = random_tensor(x.shape(), "gates");
  rewrite(y, [least](std::int64_t i, double v) { return i % 11 == 3 ? least : -std::abs(v); });
  return y;
}
Tensor unit_rows(const Tensor& x) { return l2_norm(x, 0).value(); }

Var token(const Var& x, std::int64_t t) { return cut(x, 1, {t, t + 1}); }
// Row vectors [b, h, 1, d] of a token.
Var row(const Var& x, std::int64_t t) { return permute(token(x, t), {0, 2, 1, 3}); }

// q, k, v, g, first state.
std::vector<Var> gated_by_tokens(std::span<const Var> in) {
  const Var &q = in[0], &k = in[1], &v = in[2], &g = in[3];
  Var s = in[4];
  std::vector<Var> outputs{cut(v, 1, {0, 0})};
  for (std::int64_t t = 0; t < q.dim(1); ++t) {
    const Var decay = transpose(exp(row(g, t)));  // [b, h, d or 1, 1]
    s = add(mul(s, decay), matmul(row(k, t), row(v, t), Orient::tn));
    outputs.push_back(permute(scale(matmul(row(q, t), s), 0.7), {0, 2, 1, 3}));
  }
  return {join(outputs, 1), s};
}

// q, k, v, beta, first state.
std::vector<Var> delta_by_tokens(std::span<const Var> in) {
  const Var &q = in[0], &k = in[1], &v = in[2], &beta = in[3];
  Var s = in[4];
  std::vector<Var> outputs{cut(v, 1, {0, 0})};
  for (std::int64_t t = 0; t < q.dim(1); ++t) {
    const Var rate = view(token(beta, t), {q.dim(0), q.dim(2), 1, 1});
    const Var error = mul(sub(row(v, t), matmul(row(k, t), s)), rate);
    s = add(s, matmul(row(k, t), error, Orient::tn));
    outputs.push_back(permute(scale(matmul(row(q, t), s), 0.7), {0, 2, 1, 3}));
  }
  return {join(outputs, 1), s};
}

Function gated(std::int64_t piece) {
  return [piece](std::span<const Var> in) {
    const Recurrence r = gated_linear_attention(in[0], in[1], in[2], in[3], 0.7, in[4], piece);
    return std::vector<Var>{r.o, r.state};
  };
}
Function delta(std::int64_t piece) {
  return [piece](std::span<const Var> in) {
    const Recurrence r = delta_rule(in[0], in[1], in[2], in[3], 0.7, in[4], piece);
    return std::vector<Var>{r.o, r.state};
  };
}

Tensors gated_inputs(const Sizes& s, bool one_gate, double least = -12) {
  const Shape keys{s.b, s.t, s.h, s.d};
  Shape gates = keys;
  if (one_gate) gates.back() = 1;
  return {random_tensor(keys, "q"), random_tensor(keys, "k"), random_tensor({s.b, s.t, s.h, s.dv}, "v"),
          negative(Tensor::zeros(tested(), gates, DType::f64), least), random_tensor({s.b, s.h, s.d, s.dv}, "state")};
}
Tensors delta_inputs(const Sizes& s) {
  const Shape keys{s.b, s.t, s.h, s.d};
  const Tensor beta = random_tensor({s.b, s.t, s.h}, "beta");
  rewrite(beta, [](std::int64_t, double v) { return 1 / (1 + std::exp(-v)); });
  return {unit_rows(random_tensor(keys, "q")), unit_rows(random_tensor(keys, "k")),
          random_tensor({s.b, s.t, s.h, s.dv}, "v"), beta, random_tensor({s.b, s.h, s.d, s.dv}, "state")};
}

void expect_same(const Function& f, const Function& by_tokens, const Tensors& x, const std::string& what) {
  const Tensors got = values_of(f(constants(x))), want = values_of(by_tokens(constants(x)));
  const Tensors u = random_cotangents(by_tokens, x, "u");
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_LE(difference(got[i], want[i]), 1e-13) << what << ", " << i;
  const Tensors slope = gradients(f, x, u), judge = gradients(by_tokens, x, u);
  for (std::size_t i = 0; i < x.size(); ++i)
    EXPECT_LE(difference(slope[i], judge[i]), 1e-12) << what << ", gradient " << i;
}

TEST(GatedLinearAttention, InPiecesIsThatTokenByToken) {
  for (const Sizes& s : sizes)
    for (const bool one_gate : {false, true})
      for (std::int64_t piece : {0, 1, 4, 16, 64})
        expect_same(gated(piece), gated_by_tokens, gated_inputs(s, one_gate),
                    sentence("{} tokens in pieces of {}, one gate {}", s.t, piece, one_gate));
}

TEST(DeltaRule, InPiecesIsThatTokenByToken) {
  for (const Sizes& s : sizes)
    for (std::int64_t piece : {0, 1, 4, 16, 64})
      expect_same(delta(piece), delta_by_tokens, delta_inputs(s), sentence("{} tokens in pieces of {}", s.t, piece));
}

TEST(GatedLinearAttention, HasItsGradients) {
  for (const bool one_gate : {false, true}) {
    const Tensors x = gated_inputs({1, 7, 2, 3, 2}, one_gate, -4);
    const Function f = gated(3);
    expect_gradient(f, x, random_cotangents(f, x, "u"), "gated linear attention");
    expect_second_gradient(f, x, random_cotangents(f, x, "u"), "gated linear attention", 7);
  }
}

TEST(DeltaRule, HasItsGradients) {
  const Tensors x = delta_inputs({1, 7, 2, 3, 2});
  const Function f = delta(3);
  expect_gradient(f, x, random_cotangents(f, x, "u"), "delta rule");
  expect_second_gradient(f, x, random_cotangents(f, x, "u"), "delta rule", 7);
}

TEST(ChunkRecurrence, IsASumOverChunksOfAnySize) {
  for (const Sizes& s : sizes) {
    const Tensors x = gated_inputs(s, true);
    for (const Reads reads : {Reads::after, Reads::before})
      for (std::int64_t chunk : {1, 2, 5, 100}) {
        const Function f = [&](std::span<const Var> in) {
          const Recurrence r = chunk_recurrence(in[0], in[1], in[2], 0.7, chunk, reads, in[3]);
          return std::vector<Var>{r.o, r.state};
        };
        const Function by_chunks = [&](std::span<const Var> in) {
          Var w = in[3];
          std::vector<Var> outputs{cut(in[2], 1, {0, 0})};
          for (std::int64_t t = 0; t < s.t; t += chunk) {
            auto rows = [&](const Var& v) { return permute(cut(v, 1, {t, std::min(s.t, t + chunk)}), {0, 2, 1, 3}); };
            const Var old = w;
            w = add(w, matmul(rows(in[1]), rows(in[2]), Orient::tn));
            outputs.push_back(permute(scale(matmul(rows(in[0]), reads == Reads::after ? w : old), 0.7), {0, 2, 1, 3}));
          }
          return std::vector<Var>{join(outputs, 1), w};
        };
        expect_same(f, by_chunks, {x[0], x[1], x[2], x[4]}, sentence("{} tokens in chunks of {}", s.t, chunk));
      }
  }
}

// In f32 the numbers are those of f64 within what sums over some tokens lose, whatever the gates.
TEST(GatedLinearAttention, KeepsItsDigitsUnderStrongGates) {
  const Tensors x = gated_inputs({1, 200, 2, 16, 16}, false), u = random_cotangents(gated(0), x, "u");
  Tensors small, v;
  for (const Tensor& t : x) small.push_back(cast(t, DType::f32).value());
  for (const Tensor& t : u) v.push_back(cast(t, DType::f32).value());
  const Tensors got = values_of(gated(0)(constants(small))), want = values_of(gated(0)(constants(x)));
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_LE(difference(got[i], want[i]), 40 * eps32) << i;
  const Tensors slope = gradients(gated(0), small, v), judge = gradients(gated(0), x, u);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_LE(difference(slope[i], judge[i]), 40 * eps32) << "gradient " << i;
}

TEST(Recurrences, WithoutAStateBeginAtZero) {
  for (const auto& [f, x] :
       {std::pair{gated(4), gated_inputs({2, 9, 2, 3, 2}, false)}, {delta(4), delta_inputs({2, 9, 2, 3, 2})}}) {
    std::vector<Var> in = constants(x);
    in[4] = Tensor::zeros(tested(), x[4].shape(), DType::f64);
    const Tensors zero = values_of(f(in));
    in[4] = Var();
    const Tensors none = values_of(f(in));
    for (std::size_t i = 0; i < none.size(); ++i) EXPECT_TRUE(same_bits(none[i], zero[i]));
  }
}

TEST(Recurrences, OfNoTokensKeepTheirState) {
  for (const auto& [f, x] : {std::pair{gated(0), gated_inputs({2, 0, 2, 3, 2}, false)},
                             {gated(0), gated_inputs({2, 0, 2, 3, 2}, true)},
                             {delta(0), delta_inputs({2, 0, 2, 3, 2})}}) {
    const Tensors y = values_of(f(constants(x)));
    EXPECT_EQ(y[0].shape(), (Shape{2, 0, 2, 2}));
    EXPECT_TRUE(same_bits(y[1], x[4]));
  }
  for (const auto& [f, x] :
       {std::pair{gated(0), gated_inputs({0, 5, 2, 3, 2}, false)}, {delta(0), delta_inputs({0, 5, 2, 3, 2})}})
    EXPECT_EQ(values_of(f(constants(x)))[0].shape(), (Shape{0, 5, 2, 2}));
}

TEST(Recurrences, WrongShapesAreOneSentence) {
  auto z = [](const Shape& s) { return Var(Tensor::zeros(tested(), s)); };
  const Var q = z({1, 4, 2, 3}), v = z({1, 4, 2, 5});
  EXPECT_THROW(gated_linear_attention(q, z({1, 4, 2, 4}), v, q, 1), Error);
  EXPECT_THROW(gated_linear_attention(q, q, v, z({1, 4, 2, 2}), 1), Error);
  EXPECT_THROW(gated_linear_attention(q, q, v, q, 1, z({1, 2, 5, 3})), Error);
  EXPECT_THROW(gated_linear_attention(q, q, v, q, 1, {}, 65), Error);
  EXPECT_THROW(delta_rule(q, q, v, z({1, 4, 3}), 1), Error);
  EXPECT_THROW(delta_rule(q, q, z({1, 3, 2, 5}), z({1, 4, 2}), 1), Error);
}

}  // namespace
}  // namespace lact
