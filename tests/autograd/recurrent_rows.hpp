// Rows of the table: ops along the tokens.
#pragma once
#include "autograd/op_row.hpp"

namespace lact::op_table {

inline std::vector<Row> convolutions() {
  std::vector<Row> t;
  auto convolved = one([](In x) { return causal_convolution(x[0], x[1], x.size() > 2 ? x[2] : Var()); });
  auto by_taps = one([](In x) {  // every tap as a product with the tokens before
    const std::int64_t tokens = x[0].dim(1), k = x[1].dim(1);
    Var y = scale(x[0], 0);
    for (std::int64_t back = 0; back < std::min(k, tokens); ++back) {
      const Var earlier = pad(cut(x[0], 1, {0, tokens - back}), 1, {back, tokens}, tokens);
      y = add(y, mul(earlier, view(cut(x[1], 1, {k - 1 - back, k - back}), {x[1].dim(0)})));
    }
    return x.size() > 2 ? add(y, x[2]) : y;
  });
  t.push_back({"causal_convolution", {{2, rows, 5}, {5, 4}, {5}}, {{2, rows, 5}}, convolved, 8, Domain::all, by_taps});
  t.push_back(
      {"causal_convolution plain", {{rows, 7, 2}, {2, 3}}, {{rows, 7, 2}}, convolved, 21, Domain::all, by_taps});
  return t;
}

// Row by row: y[i] = decay[i] y[i - 1] + x[i].
inline Var scanned(In x, bool backwards) {
  const std::int64_t n = x[0].dim(1), m = x[0].dim(2);
  std::vector<Var> ys(static_cast<std::size_t>(n));
  Var before;
  for (std::int64_t step = 0; step < n; ++step) {
    const std::int64_t i = backwards ? n - 1 - step : step, at = backwards ? i + 1 : i;
    Var y = cut(x[0], 1, {i, i + 1});
    if (before && x.size() > 1) {
      const std::int64_t r = x[1].dim(2);
      const Var decay = view(cut(x[1], 1, {at, at + 1}), {x[1].dim(0), 1, r, 1});
      y = add(y, view(mul(view(before, {x[0].dim(0), 1, r, m / r}), decay), y.shape()));
    } else if (before) {
      y = add(y, before);
    }
    ys[std::size_t(i)] = before = y;
  }
  return ys.empty() ? x[0] : join(ys, 1);
}

inline std::vector<Row> scans() {
  std::vector<Row> t;
  for (const bool backwards : {false, true}) {
    const std::string way = backwards ? " backwards" : "";
    auto f = one([backwards](In x) { return linear_scan(x[0], x.size() > 1 ? x[1] : Var(), backwards); });
    auto by_rows = one([backwards](In x) { return scanned(x, backwards); });
    const Shape x{2, 5, 6};
    t.push_back({"linear_scan" + way, {x, x}, {x}, f, 20, Domain::all, by_rows});
    t.push_back({"linear_scan shared" + way, {x, {2, 5, 2}}, {x}, f, 40, Domain::all, by_rows});
    t.push_back({"linear_scan sums" + way, {{2, rows, 4}}, {{2, rows, 4}}, f, 3, Domain::all, by_rows});
  }
  t.push_back({"selective_scan",
               {{2, rows, 3}, {2, rows, 3}, {3, 2}, {2, rows, 2}, {2, rows, 2}, {2, 3, 2}},
               {{2, rows, 3}, {2, 3, 2}},
               [](In x) { return selective_scan(x[0], x[1], x[2], x[3], x[4], x[5]); },
               60,
               Domain::all,
               [](In x) {
                 const std::int64_t b = x[0].dim(0), tokens = x[0].dim(1), d = x[0].dim(2), n = x[2].dim(1);
                 Var h = x[5];
                 std::vector<Var> ys{cut(x[0], 1, {0, 0})};
                 for (std::int64_t i = 0; i < tokens; ++i) {
                   auto at = [&](std::size_t k, const Shape& s) { return view(cut(x[k], 1, {i, i + 1}), s); };
                   const Var step = at(1, {b, d, 1});
                   h = add(mul(exp(mul(step, x[2])), h), mul(mul(step, at(0, {b, d, 1})), at(3, {b, 1, n})));
                   ys.push_back(view(sum_to(mul(h, at(4, {b, 1, n})), {b, d, 1}), {b, 1, d}));
                 }
                 return std::vector<Var>{join(ys, 1), h};
               }});
  t.push_back({"selective_scan from zero",
               {{1, rows, 2}, {1, rows, 2}, {2, 3}, {1, rows, 3}, {1, rows, 3}},
               {{1, rows, 2}},
               one([](In x) { return selective_scan(x[0], x[1], x[2], x[3], x[4], {})[0]; }),
               60});
  return t;
}

inline std::vector<Row> small_matrices() {
  std::vector<Row> t;
  const Shape tokens{2, rows, 4}, square{2, rows, rows};
  t.push_back({"decayed_scores",
               {tokens, tokens, tokens},
               {square},
               one([](In x) { return decayed_scores(x[0], x[1], x[2]); }),
               24,
               Domain::all,
               one([](In x) {  // exponents as differences of sums, which is exact enough for few tokens
                 const std::int64_t b = x[0].dim(0), n = x[0].dim(1), d = x[0].dim(2);
                 const Var since = linear_scan(x[2], {}, false);
                 const Var q = view(mul(x[0], exp(since)), {b, n, 1, d}),
                           k = view(mul(x[1], exp(scale(since, -1))), {b, 1, n, d});
                 return lower_triangle(view(sum_to(mul(q, k), {b, n, n, 1}), {b, n, n}), 0);
               })});
  t.push_back({"lower_triangle", {{2, rows, 5}}, {{2, rows, 5}}, one([](In x) { return lower_triangle(x[0], 1); })});
  t.push_back(
      {"lower_triangle strict", {{2, 5, rows}}, {{2, 5, rows}}, one([](In x) { return lower_triangle(x[0], -1); })});
  t.push_back({"unit_lower_inverse",
               {square},
               {square},
               one([](In x) { return unit_lower_inverse(x[0]); }),
               27,
               Domain::all,
               one([](In x) {  // the series of a matrix whose third power is zero
                 const Var a = lower_triangle(x[0], -1), one = lower_triangle(ones_like(a), 0);
                 return add(sub(sub(one, lower_triangle(one, -1)), a), matmul(a, a));
               })});
  t.push_back({"reversed", {{2, rows, 5}}, {{2, rows, 5}}, one([](In x) { return reversed(x[0]); })});
  return t;
}

inline std::vector<Row> recurrent() {
  std::vector<Row> all;
  for (auto part : {convolutions, scans, small_matrices})
    for (Row& r : part()) all.push_back(std::move(r));
  return all;
}

}  // namespace lact::op_table
