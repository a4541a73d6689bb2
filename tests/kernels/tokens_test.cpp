// Rows of a table and rotary positions: f32 judged by f64, and by the definitions.
#include "kernels/tokens.hpp"

#include "base/check.hpp"
#include "ops/pairs.hpp"

namespace lact {
namespace {

Tensor numbers(const std::vector<std::int32_t>& v) {
  return Tensor::of(tested(), {std::int64_t(v.size())}, std::span<const std::int32_t>(v));
}

TEST(Embedding, RowsAreThoseOfTheTableAndItsAdjointSumsThem) {
  const Tensor index = numbers({2, -1, 0, 2, 2});
  for (std::int64_t d : {0, 1, 7, 33}) {
    const Pair table = Pair::random({4, d}, "table"), dy = Pair::random({5, d}, "dy");
    const Pair y = Pair::result({5, d}), dtable = Pair::result({4, d});
    for (auto t : {&Pair::f32, &Pair::f64}) {
      kernels::embedding(y.*t, table.*t, index);
      kernels::embedding_grad(dtable.*t, dy.*t, index);
    }
    expect_agrees(y, 1, "embedding");
    expect_agrees(dtable, 4, "embedding_grad");
    const auto from = table.f64.to_doubles(), rows = y.f64.to_doubles(), g = dy.f64.to_doubles(),
               sums = dtable.f64.to_doubles();
    for (std::int64_t c = 0; c < d; ++c) {
      auto at = [&](const std::vector<double>& v, std::int64_t row) { return v[std::size_t(row * d + c)]; };
      EXPECT_EQ(at(rows, 3), at(from, 2));
      EXPECT_EQ(at(rows, 1), 0);
      EXPECT_DOUBLE_EQ(at(sums, 2), at(g, 0) + at(g, 3) + at(g, 4));
      EXPECT_EQ(at(sums, 1), 0);
    }
  }
}

TEST(Embedding, ManyTokensOfFewWordsAreSummedInTheirOrder) {
  for (const std::int64_t rows : {0, 1, 300, 5000}) {
    std::vector<std::int32_t> words;
    for (std::int64_t i = 0; i < rows; ++i) words.push_back(std::int32_t(i * i % 11) - 1);
    const Tensor index = numbers(words), dy = random_tensor({rows, 3}, "dy"), dtable = Pair::result({12, 3}).f64;
    kernels::embedding_grad(dtable, dy, index);
    std::vector<double> sums(36, 0);
    const auto g = dy.to_doubles();
    for (std::size_t i = 0; i < words.size(); ++i)
      for (std::size_t c = 0; words[i] >= 0 && c < 3; ++c) sums[std::size_t(words[i]) * 3 + c] += g[i * 3 + c];
    EXPECT_EQ(dtable.to_doubles(), sums) << rows;
  }
}

TEST(Embedding, AnIndexBeyondTheTableIsRefusedOrBecomesNaN) {
  const Tensor table = random_tensor({4, 3}, "table"), y = Tensor::zeros(tested(), {1, 3}, DType::f64);
  if (on_cpu()) {
    EXPECT_THROW(kernels::embedding(y, table, numbers({4})), Error);
  } else {
    kernels::embedding(y, table, numbers({4}));
    EXPECT_TRUE(std::isnan(y.to_doubles()[0]));
  }
  EXPECT_THROW(kernels::embedding(y, table, numbers({1, 2})), Error);
}

TEST(Positions, CountUpAndBeginAgain) {
  const Tensor y = Tensor::empty(tested(), {9}, DType::i32);
  kernels::positions(y, 5, 4);
  EXPECT_EQ(y.to_doubles(), (std::vector<double>{1, 2, 3, 0, 1, 2, 3, 0, 1}));
  kernels::positions(y, 1'000'000'000'000, 7);
  EXPECT_EQ(y.to_doubles()[0], double(1'000'000'000'000 % 7));
  kernels::positions(Tensor::empty(tested(), {0}, DType::i32), 0, 1);
  EXPECT_THROW(kernels::positions(y, 0, 0), Error);
  EXPECT_THROW(kernels::positions(Tensor::zeros(tested(), {4}), 0, 4), Error);
}

TEST(Rope, PairsTurnByTheirAnglesAndTurnBack) {
  const std::vector<std::int32_t> places{0, 3, 1048575};
  const double theta = 1e4;
  for (const bool interleaved : {false, true})
    for (std::int64_t d : {2, 6, 64}) {
      const kernels::Rope rope{theta, interleaved};
      const Shape s{2, 3, 3, d};
      // as split_heads gives it
      const Pair x = Pair::random({2, 3, 3, d}, "x").with([](const Tensor& t) { return t.permute({0, 2, 1, 3}); });
      const Pair y = Pair::result(s), again = Pair::result(s);
      for (auto t : {&Pair::f32, &Pair::f64}) {
        kernels::turn(y.*t, x.*t, numbers(places), rope, false);
        kernels::turn(again.*t, y.*t, numbers(places), rope, true);
      }
      expect_agrees(y, 4, "rope");
      const auto from = x.f64.to_doubles(), to = y.f64.to_doubles(), back = again.f64.to_doubles();
      for (std::size_t i = 0; i < from.size(); ++i) EXPECT_NEAR(back[i], from[i], 1e-14);
      for (std::int64_t row = 0; row < 18; ++row)
        for (std::int64_t i = 0; i < d / 2; ++i) {
          const auto a = std::size_t(row * d + (interleaved ? 2 * i : i)),
                     b = interleaved ? a + 1 : a + std::size_t(d / 2);
          const double angle = places[std::size_t(row % 3)] * std::pow(theta, -2.0 * double(i) / double(d));
          // the angle itself is known to a few units of its last place
          const double bound = 1e-14 + 1e-15 * angle * 4;
          EXPECT_NEAR(to[a], from[a] * std::cos(angle) - from[b] * std::sin(angle), bound);
          EXPECT_NEAR(to[b], from[b] * std::cos(angle) + from[a] * std::sin(angle), bound);
        }
    }
}

TEST(Rope, OddHeadsAndOtherPositionsAreRefused) {
  const Tensor x = random_tensor({1, 1, 2, 3}, "x"), y = like(x);
  EXPECT_THROW(kernels::turn(y, x, numbers({0, 1}), {}, false), Error);
  const Tensor even = random_tensor({1, 1, 2, 4}, "x"), z = like(even);
  EXPECT_THROW(kernels::turn(z, even, numbers({0}), {}, false), Error);
}

}  // namespace
}  // namespace lact
