// The table of every op in autograd/ops.hpp.
#pragma once
#include <numbers>

#include "autograd/recurrent_rows.hpp"

namespace lact::op_table {

inline Var empty_or(In x, std::size_t i) { return i < x.size() ? x[i] : Var(); }
inline Var ones(const Var& x) { return ones_like(x); }
inline Var divided(const Var& a, const Var& b) { return mul(a, inverse(b)); }
inline Var row_sum(const Var& x) {
  Shape s = x.shape();
  s.back() = 1;
  return sum_to(x, s);
}
inline Var silu_slope(const Var& x) {
  const Var s = sigmoid(x);
  return mul(s, add(ones(x), mul(x, sub(ones(x), s))));
}
inline Var gelu_slope(const Var& x) {
  const Var below = scale(shift(erf(scale(x, 1 / std::numbers::sqrt2)), 1), 0.5);
  return add(below, mul(x, scale(exp(scale(square(x), -0.5)), 1 / std::sqrt(2 * std::numbers::pi))));
}
inline Var gelu_tanh_slope(const Var& x) {  // c (x + a x^3) = u; (1 + tanh u + x u' / cosh^2 u) / 2
  const double c = std::sqrt(2 / std::numbers::pi), a = 0.044715;
  const Var t = tanh(scale(add(x, scale(mul(x, square(x)), a)), c)), du = scale(shift(scale(square(x), 3 * a), 1), c);
  return scale(add(add(ones(t), t), mul(mul(x, du), sub(ones(t), square(t)))), 0.5);
}
inline Var rms_of(In x) {
  const Var y = divided(x[0], sqrt(shift(scale(row_sum(square(x[0])), 1.0 / double(x[0].dim(-1))), 1e-3)));
  return x.size() > 1 ? mul(y, x[1]) : y;
}
inline Var centred(const Var& x) { return sub(x, scale(row_sum(x), 1.0 / double(x.dim(-1)))); }

inline Tensor indices(std::int64_t n) {  // a class of five per row; the second row has none
  std::vector<std::int32_t> index;
  for (std::int64_t i = 0; i < n; ++i) index.push_back(i == 1 ? -100 : std::int32_t(i * 2 % 5));
  return Tensor::of(tested(), {n}, std::span<const std::int32_t>(index));
}

inline std::vector<Row> element_wise() {
  const Shape s{rows, 5};
  std::vector<Row> t;
  for (auto [name, f] : {std::pair{"add", &add},
                         {"sub", &sub},
                         {"mul", &mul},
                         {"silu_grad", &silu_grad},
                         {"gelu_grad", &gelu_grad},
                         {"gelu_tanh_grad", &gelu_tanh_grad},
                         {"relu_grad", &relu_grad}}) {
    const std::string n = name;
    const Function f2 = binary(f);
    Function by_hand;
    if (n == "silu_grad") by_hand = one([](In x) { return mul(silu_slope(x[0]), x[1]); });
    if (n == "gelu_grad") by_hand = one([](In x) { return mul(gelu_slope(x[0]), x[1]); });
    if (n == "gelu_tanh_grad") by_hand = one([](In x) { return mul(gelu_tanh_slope(x[0]), x[1]); });
    t.push_back({n, {s, s}, {s}, f2, 1, Domain::all, by_hand});
    t.push_back({n + " row", {{rows, 2, 5}, {5}}, {{rows, 2, 5}}, f2, 6, Domain::all, by_hand});
    t.push_back({n + " outer", {{rows, 1, 5}, {4, 1}}, {{rows, 4, 5}}, f2, 15, Domain::all, by_hand});
    t.push_back({n + " scalar", {{1}, {rows, 7}}, {{rows, 7}}, f2, 21, Domain::all, by_hand});
  }
  for (auto [name, f] : {std::pair{"square", &square},
                         {"exp", &exp},
                         {"tanh", &tanh},
                         {"erf", &erf},
                         {"sigmoid", &sigmoid},
                         {"silu", &silu},
                         {"softplus", &softplus},
                         {"gelu", &gelu},
                         {"gelu_tanh", &gelu_tanh},
                         {"relu", &relu}})
    t.push_back({name, {s}, {s}, unary(f)});
  for (auto [name, f] : {std::pair{"sqrt", &sqrt}, {"ln", &ln}})
    t.push_back({name, {s}, {s}, unary(f), 1, Domain::positive});
  t.push_back({"inverse", {s}, {s}, unary(&inverse), 1, Domain::away_from_zero});
  t.push_back({"scale", {s}, {s}, one([](In x) { return scale(x[0], -1.75); })});
  t.push_back({"shift", {s}, {s}, one([](In x) { return shift(x[0], -1.75); })});
  t.push_back({"widened", {s}, {s}, unary(&widened)});
  t.push_back({"cast", {s}, {s}, one([](In x) { return cast(x[0], DType::f64); })});
  t.push_back(
      {"swiglu", {s, s}, {s}, binary(&swiglu), 1, Domain::all, one([](In x) { return mul(silu(x[0]), x[1]); })});
  t.push_back({"swiglu_grad",
               {s, s, s},
               {s, s},
               [](In x) { return swiglu_grad(x[0], x[1], x[2]); },
               1,
               Domain::all,
               [](In x) {
                 return std::vector<Var>{mul(mul(x[2], x[1]), silu_slope(x[0])), mul(x[2], silu(x[0]))};
               }});
  Shape per_row = s;
  per_row.back() = 1;
  t.push_back({"rated_gates",
               {s, s, s, per_row, per_row, per_row},
               {s, s, s},
               [](In x) { return rated_gates(x[0], x[1], x[2], x[3], x[4], x[5]); },
               1,
               Domain::all,
               [](In x) {
                 return std::vector<Var>{mul(mul(silu(x[0]), x[1]), x[4]),
                                         mul(mul(mul(x[2], x[1]), silu_slope(x[0])), x[3]),
                                         mul(mul(x[2], silu(x[0])), x[5])};
               }});
  return t;
}

inline std::vector<Row> shapes() {
  std::vector<Row> t;
  t.push_back({"view", {{rows, 2, 5}}, {{rows, 10}}, one([](In x) { return view(x[0], {x[0].dim(0), 10}); })});
  t.push_back({"permute", {{rows, 2, 5}}, {{5, rows, 2}}, one([](In x) { return permute(x[0], {2, 0, 1}); })});
  t.push_back({"transpose", {{2, rows, 5}}, {{2, 5, rows}}, unary(&transpose)});
  t.push_back({"cut", {{rows, 7, 2}}, {{rows, 3, 2}}, one([](In x) { return cut(x[0], 1, {2, 5}); })});
  t.push_back({"cut nothing", {{rows, 7}}, {{rows, 0}}, one([](In x) { return cut(x[0], -1, {4, 4}); })});
  t.push_back({"pad", {{rows, 3, 2}}, {{rows, 7, 2}}, one([](In x) { return pad(x[0], 1, {2, 5}, 7); })});
  t.push_back({"join", {{rows, 2}, {rows, 5}, {rows, 0}}, {{rows, 7}}, one([](In x) {
                 return join({x[0], x[1], x[2]}, -1);
               })});
  t.push_back({"join rows", {{rows, 2}, {0, 2}}, {{rows, 2}}, one([](In x) { return join({x[0], x[1]}, 0); })});
  t.push_back({"join middle", {{rows, 2, 3}, {rows, 1, 3}}, {{rows, 3, 3}}, one([](In x) {
                 return join({x[0], x[1]}, 1);
               })});
  t.push_back({"expand",
               {{rows, 1, 5}},
               {{2, rows, 4, 5}},
               one([](In x) {
                 return expand(x[0], {2, x[0].dim(0), 4, 5});
               }),
               8});
  t.push_back({"sum_to", {{rows, 4, 5}}, {{4, 1}}, one([](In x) { return sum_to(x[0], {4, 1}); }), 15});
  t.push_back({"sum", {{rows, 7}}, {{1}}, unary(&sum), 21});
  t.push_back({"mean", {{rows, 7}}, {{1}}, unary(&mean), 21});
  t.push_back({"split_heads", {{2, rows, 30}}, {{2, 3, rows, 5}, {2, 3, rows, 5}}, [](In x) {
                 return split_heads(x[0], 2, 3);
               }});
  t.push_back({"split_heads half used", {{2, rows, 30}}, {{2, 3, rows, 5}}, one([](In x) {
                 return split_heads(x[0], 2, 3)[1];
               })});
  t.push_back({"join_heads", {{2, 3, rows, 5}, {2, 3, rows, 5}}, {{2, rows, 30}}, one([](In x) {
                 return join_heads({x[0], x[1]});
               })});
  t.push_back({"join_heads alone", {{2, 3, rows, 5}}, {{2, rows, 15}}, one([](In x) { return join_heads({x[0]}); })});
  auto in_three = [](In x) { return pieces(x[0], 1, std::vector<std::int64_t>{2, 0, 5}); };
  t.push_back({"pieces", {{rows, 7, 2}}, {{rows, 2, 2}, {rows, 0, 2}, {rows, 5, 2}}, in_three});
  t.push_back({"pieces used in part", {{rows, 7, 2}}, {{rows, 5, 2}}, one([=](In x) { return in_three(x)[2]; })});
  const std::vector<Range> ranges{{4, 7}, {0, 2}, {1, 6}, {3, 3}};
  t.push_back(
      {"gather_rows", {{rows, 7, 2}}, {{rows, 10, 2}}, one([ranges](In x) { return gather_rows(x[0], ranges); }), 2});
  t.push_back(
      {"gather_rows of nothing", {{rows, 7, 2}}, {{rows, 0, 2}}, one([](In x) { return gather_rows(x[0], {}); })});
  return t;
}

inline std::vector<Row> products() {
  std::vector<Row> t;
  auto times = [](Orient o) { return one([o](In x) { return matmul(x[0], x[1], o); }); };
  t.push_back({"matmul", {{2, rows, 5}, {2, 5, 7}}, {{2, rows, 7}}, times(Orient::nn), 7});
  t.push_back({"matmul nt", {{2, rows, 5}, {2, 7, 5}}, {{2, rows, 7}}, times(Orient::nt), 7});
  t.push_back({"matmul tn", {{2, 5, rows}, {2, 5, 7}}, {{2, rows, 7}}, times(Orient::tn), 7});
  t.push_back({"matmul over rows", {{rows, 5}, {rows, 7}}, {{5, 7}}, times(Orient::tn), 7});
  t.push_back({"matmul no batch", {{rows, 4, 5}, {rows, 5, 1}}, {{rows, 4, 1}}, times(Orient::nn), 5});
  auto plus = [](Orient o) { return one([o](In x) { return matmul_add(x[0], 0.5, x[1], x[2], -2, o); }); };
  auto by_hand = [](Orient o) {
    return one([o](In x) { return add(scale(x[0], 0.5), scale(matmul(x[1], x[2], o), -2)); });
  };
  t.push_back({"matmul_add",
               {{2, rows, 7}, {2, rows, 5}, {2, 5, 7}},
               {{2, rows, 7}},
               plus(Orient::nn),
               7,
               {},
               by_hand(Orient::nn)});
  t.push_back({"matmul_add nt",
               {{2, rows, 7}, {2, rows, 5}, {2, 7, 5}},
               {{2, rows, 7}},
               plus(Orient::nt),
               7,
               {},
               by_hand(Orient::nt)});
  t.push_back({"matmul_add tn",
               {{2, 5, 7}, {2, rows, 5}, {2, rows, 7}},
               {{2, 5, 7}},
               plus(Orient::tn),
               7,
               {},
               by_hand(Orient::tn)});
  for (auto [name, s] : {std::pair{"gram_polynomial", Shape{rows, 4, 7}}, {"gram_polynomial tall", {rows, 7, 4}}}) {
    const bool tall = s[1] > s[2];
    auto in_products = [tall](In x) {
      const Var gram = matmul(x[0], x[0], tall ? Orient::tn : Orient::nt);
      const Var p = add(scale(gram, -0.7), scale(matmul(gram, gram), 0.3));
      return add(scale(x[0], 1.5), tall ? matmul(x[0], p) : matmul(p, x[0]));
    };
    // a number of the result is a polynomial of degree five in those given
    t.push_back({name,
                 {s},
                 {s},
                 one([](In x) { return gram_polynomial(x[0], 1.5, -0.7, 0.3); }),
                 7 * 4 * 4,
                 Domain::all,
                 one(in_products)});
  }
  auto layer = one([](In x) { return linear(x[0], x[1], empty_or(x, 2)); });
  t.push_back({"linear", {{2, rows, 5}, {7, 5}}, {{2, rows, 7}}, layer, 7});
  t.push_back({"linear bias", {{rows, 5}, {7, 5}, {7}}, {{rows, 7}}, layer, 7});
  return t;
}

inline std::vector<Row> networks() {
  std::vector<Row> t;
  const Shape in{2, 5, 7}, out{2, 7, 5}, tokens{2, rows, 5}, rate{2, rows, 1};
  auto gated = [](const Var& x, const Var& w0, const Var& w2) { return mul(silu(matmul(x, w0)), matmul(x, w2)); };
  t.push_back({"glu_network",
               {tokens, in, {2, 7, 4}, in},
               {{2, rows, 4}},
               one([](In v) { return glu_network(v[0], v[1], v[2], v[3]); }),
               35,
               {},
               one([gated](In v) { return matmul(gated(v[0], v[1], v[3]), v[2]); })});
  t.push_back({"rated_glu_grad",
               {tokens, tokens, in, out, in, rate, rate, rate},
               {in, out, in},
               [](In v) { return rated_glu_grad(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]); },
               35,
               {},
               [gated](In v) {
                 const Var g = matmul(v[0], v[2]), h = matmul(v[0], v[4]), dm = matmul(v[1], v[3], Orient::nt);
                 const Var slope = mul(mul(mul(dm, h), silu_slope(g)), v[5]);
                 return std::vector<Var>{matmul(v[0], slope, Orient::tn),
                                         matmul(mul(gated(v[0], v[2], v[4]), v[6]), v[1], Orient::tn),
                                         matmul(v[0], mul(mul(dm, silu(g)), v[7]), Orient::tn)};
               }});
  t.push_back({"gelu_network",
               {{2, rows, 5}, {7, 5}, {4, 7}},
               {{2, rows, 4}},
               one([](In v) { return gelu_network(v[0], v[1], v[2]); }),
               35,
               {},
               one([](In v) { return linear(gelu(linear(v[0], v[1])), v[2]); })});
  return t;
}

inline std::vector<Row> norms() {
  std::vector<Row> t;
  auto rms = one([](In x) { return rms_norm(x[0], empty_or(x, 1), 1e-3); });
  t.push_back({"rms_norm", {{2, rows, 7}, {7}}, {{2, rows, 7}}, rms, 7, {}, one(rms_of)});
  t.push_back({"rms_norm plain", {{rows, 7}}, {{rows, 7}}, rms, 7, {}, one(rms_of)});
  auto layer = one([](In x) { return layer_norm(x[0], empty_or(x, 1), 1e-3); });
  auto centred_rms = one([](In x) {
    std::vector<Var> in(x.begin(), x.end());
    in[0] = centred(x[0]);
    return rms_of(in);
  });
  t.push_back({"layer_norm", {{2, rows, 7}, {7}}, {{2, rows, 7}}, layer, 7, {}, centred_rms});
  t.push_back({"layer_norm plain", {{rows, 7}}, {{rows, 7}}, layer, 7, {}, centred_rms});
  t.push_back(
      {"l2_norm", {{2, rows, 7}}, {{2, rows, 7}}, one([](In x) { return l2_norm(x[0], 1e-2); }), 7, {}, one([](In x) {
         return divided(x[0], shift(sqrt(row_sum(square(x[0]))), 1e-2));
       })});
  t.push_back({"column_norm", {{rows, 7, 5}}, {{rows, 1, 5}}, unary(&column_norm), 7, {}, one([](In x) {
                 return sqrt(sum_to(square(x[0]), {x[0].dim(0), 1, x[0].dim(2)}));
               })});
  t.push_back({"keep_column_norm",
               {{rows, 7, 5}, {rows, 1, 5}},
               {{rows, 7, 5}},
               one([](In x) { return keep_column_norm(x[0], x[1], 1e-2); }),
               7,
               {},
               one([](In x) { return mul(divided(x[0], shift(column_norm(x[0]), 1e-2)), x[1]); })});
  return t;
}

inline std::vector<Row> norms_of_sums_and_heads() {
  std::vector<Row> t;
  t.push_back({"add_layer_norm",
               {{2, rows, 7}, {2, rows, 7}, {7}},
               {{2, rows, 7}, {2, rows, 7}},
               [](In x) { return add_layer_norm(x[0], x[1], x[2], 1e-3); },
               7,
               {},
               [](In x) {
                 const Var s = add(x[0], x[1]);
                 return std::vector<Var>{s, layer_norm(s, x[2], 1e-3)};
               }});
  t.push_back({"add_layer_norm alone",
               {{2, rows, 7}},
               {{2, rows, 7}, {2, rows, 7}},
               [](In x) { return add_layer_norm(x[0], {}, {}, 1e-3); },
               7,
               {},
               [](In x) {
                 return std::vector<Var>{x[0], layer_norm(x[0], {}, 1e-3)};
               }});
  t.push_back({"add_layer_norm used in part",
               {{rows, 7}, {rows, 7}, {7}},
               {{rows, 7}},
               one([](In x) { return add_layer_norm(x[0], x[1], x[2], 1e-3)[1]; }),
               7,
               {},
               one([](In x) { return layer_norm(add(x[0], x[1]), x[2], 1e-3); })});
  t.push_back({"reconstruction_grad",
               {{2, rows, 7}, {2, rows, 7}, {2, 1, 7}, {2, 1, 7}},
               {{2, rows, 7}},
               one([](In x) { return reconstruction_grad(x[0], x[1], x[2], x[3], 1e-3); }),
               21,
               {},
               one([](In x) {
                 const Var r =
                     divided(ones(row_sum(x[0])), sqrt(shift(scale(row_sum(square(centred(x[0]))), 1. / 7), 1e-3)));
                 const Var u = mul(centred(x[0]), r), a = mul(sub(add(mul(u, x[2]), x[3]), x[1]), x[2]);
                 return mul(sub(centred(a), mul(u, scale(row_sum(mul(a, u)), 1. / 7))), r);
               })});
  t.push_back({"silu_heads",
               {{1, rows, 12}},
               {{3, rows, 2}, {3, rows, 2}},
               [](In x) { return silu_heads(x[0], 2, 3, 1, 1e-2); },
               2,
               {},
               [](In x) {
                 std::vector<Var> p = split_heads(x[0], 2, 3);
                 const Shape folded{3, x[0].dim(1), 2};
                 return std::vector<Var>{view(l2_norm(silu(p[0]), 1e-2), folded), view(silu(p[1]), folded)};
               }});
  t.push_back({"silu_heads of the first rows",
               {{rows, 3, 4}},
               {{rows, 3, 2}, {rows, 2, 2}},
               [](In x) {
                 return silu_heads(x[0], 2, 1, 2, 1e-2, {3, 2});
               },
               2,
               {},
               [](In x) {
                 const std::vector<Var> all = silu_heads(x[0], 2, 1, 2, 1e-2);
                 return std::vector<Var>{all[0], cut(all[1], 1, {0, 2})};
               }});
  t.push_back({"silu_heads used in part",
               {{1, rows, 9}},
               {{1, rows, 3}},
               one([](In x) { return silu_heads(x[0], 3, 1, 2, 1e-2)[1]; }),
               3});
  return t;
}

inline std::vector<Row> attention_and_losses() {
  std::vector<Row> t;
  for (const auto& [name, mask] :
       {std::pair<std::string, Mask>{"", {}}, {" causal", {true, 0}}, {" window", {true, 2}}}) {
    const auto m = mask;
    t.push_back(
        {"softmax" + name, {{2, rows, 5}}, {{2, rows, 5}}, one([m](In x) { return softmax(x[0], 0.7, m); }), 5});
    auto attend = one([m](In x) { return attention(x[0], x[1], x[2], 0.6, m); });
    auto by_hand = one([m](In x) { return matmul(softmax(matmul(x[0], x[1], Orient::nt), 0.6, m), x[2]); });
    t.push_back({"attention" + name,
                 {{1, 2, rows, 4}, {1, 2, rows, 4}, {1, 2, rows, 5}},
                 {{1, 2, rows, 5}},
                 attend,
                 5,
                 {},
                 by_hand});
    t.push_back({"attention uneven" + name,
                 {{2, 1, rows, 3}, {2, 1, 5, 3}, {2, 1, 5, 2}},
                 {{2, 1, rows, 2}},
                 attend,
                 5,
                 {},
                 by_hand});
    t.push_back({"attention few keys" + name,
                 {{2, 1, 5, 3}, {2, 1, rows, 3}, {2, 1, rows, 2}},
                 {{2, 1, 5, 2}},
                 attend,
                 5,
                 {},
                 by_hand});
  }
  for (const bool normed : {true, false}) {
    std::vector<Shape> in{{1, rows, 12}};
    if (normed) in.insert(in.end(), {{2}, {2}});
    t.push_back({normed ? "self_attention" : "self_attention plain",
                 in,
                 {{1, rows, 4}},
                 one([](In x) {
                   return self_attention(x[0], 2, empty_or(x, 1), empty_or(x, 2), 1e-3, 0.6, {true, 0});
                 }),
                 8,
                 {},
                 one([](In x) {
                   std::vector<Var> p = split_heads(x[0], 3, 2);
                   for (std::size_t i = 1; i < x.size(); ++i) p[i - 1] = rms_norm(p[i - 1], x[i], 1e-3);
                   return join_heads({attention(p[0], p[1], p[2], 0.6, {true, 0})});
                 })});
  }
  t.push_back({"log_sum_exp", {{rows, 5}}, {{rows}}, unary(&log_sum_exp), 5, {}, one([](In x) {
                 return view(ln(row_sum(exp(x[0]))), {x[0].dim(0)});
               })});
  t.push_back({"pick", {{rows, 5}}, {{rows}}, one([](In x) { return pick(x[0], indices(x[0].dim(0))); })});
  t.push_back({"place", {{rows}}, {{rows, 5}}, one([](In x) { return place(x[0], indices(x[0].dim(0)), 5); })});
  return t;
}

inline std::vector<Row> tokens() {
  std::vector<Row> t;
  auto looked_up = one([](In x) { return embedding(x[0], indices(7)); });
  t.push_back({"embedding", {{5, rows}}, {{7, rows}}, looked_up, 2});
  t.push_back(
      {"embedding_grad", {{7, rows}}, {{5, rows}}, one([](In x) { return embedding_grad(x[0], indices(7), 5); }), 2});
  const std::vector<std::int32_t> places{5, 0, 1000};
  for (const bool interleaved : {false, true})
    t.push_back({interleaved ? "rope interleaved" : "rope",
                 {{2, rows, 3, 4}},
                 {{2, rows, 3, 4}},
                 one([=](In x) {
                   const Tensor p = Tensor::of(tested(), {3}, std::span<const std::int32_t>(places));
                   return rope(x[0], p, {100, interleaved});
                 }),
                 2});
  return t;
}

inline std::vector<Row> table() {
  std::vector<Row> all;
  for (auto part : {element_wise, shapes, products, networks, norms, norms_of_sums_and_heads, tokens,
                    attention_and_losses, recurrent})
    for (Row& r : part()) all.push_back(std::move(r));
  return all;
}

}  // namespace lact::op_table
