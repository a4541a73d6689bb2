// Every op of autograd/ops.hpp, one table: derivatives against differences, fused ops against their definitions, f32
// against f64, views of any strides, empty tensors.
#include <fstream>
#include <set>

#include "autograd/broadcast.hpp"
#include "autograd/op_table.hpp"
#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

using op_table::Domain, op_table::In, op_table::one, op_table::Row, op_table::rows, op_table::table;

Shape sized(const Shape& s, std::int64_t n) {
  Shape out = s;
  for (auto& d : out) d = d == rows ? n : d;
  return out;
}

Tensors inputs_of(const Row& r, DType t = DType::f64, std::int64_t n = 3) {
  Tensors x;
  for (std::size_t i = 0; i < r.inputs.size(); ++i) {
    Tensor whole = random_tensor(sized(r.inputs[i], n), (r.name + std::to_string(i)).c_str(), DType::f64);
    std::vector<double> v = whole.to_doubles();
    for (double& e : v) {
      if (r.domain == Domain::positive) e = std::abs(e) + 0.5;
      if (r.domain == Domain::away_from_zero) e += e < 0 ? -0.5 : 0.5;
      e = double(float(e));  // f32 and f64 start from the same numbers
    }
    x.push_back(Tensor::of(tested(), whole.shape(), std::span<const double>(v), t));
  }
  return x;
}

Tensors turned(const Tensors& x) {  // the same numbers, the last dim stored first
  Tensors out;
  for (const Tensor& t : x) {
    std::vector<int> order;
    for (int d = t.dims(); d-- > 0;) order.push_back(d);
    out.push_back(dense(t.permute(order)).permute(order));
  }
  return out;
}

Tensors windows(const Tensors& x) {  // the same numbers inside a larger tensor of other numbers
  Tensors out;
  for (const Tensor& t : x) {
    Shape s = t.shape();
    for (auto& d : s) d += 2;
    Tensor inside = random_tensor(s, "around", t.dtype());
    for (int d = 0; d < t.dims(); ++d) inside = inside.cut(d, {1, 1 + t.dim(d)});
    kernels::unary(kernels::Unary::copy, inside, t);
    out.push_back(inside);
  }
  return out;
}

Tensors repeated(const Tensors& x, int dim) {  // stride 0 along a dim, where there is one
  Tensors out;
  for (const Tensor& t : x) out.push_back(dim < t.dims() && t.dim(dim) > 0 ? t.cut(dim, {0, 1}).expand(t.shape()) : t);
  return out;
}

Tensors dense_of(const Tensors& x) {
  Tensors out;
  for (const Tensor& t : x) out.push_back(dense(t));
  return out;
}

double eps_of(DType t) { return t == DType::f64 ? 2.3e-16 : eps32; }

// A sum of n terms is wrong by n eps of its terms, and a formula adds a few more units; the terms are as large as the
// results.
void expect_close(const Tensors& x, const Tensors& judge, double eps, std::int64_t sum, const std::string& what) {
  ASSERT_EQ(x.size(), judge.size());
  double size = 0;
  for (const Tensor& t : judge) size = std::max(size, largest(t.to_doubles()));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto a = x[i].to_doubles(), b = judge[i].to_doubles();
    ASSERT_EQ(text_of(x[i].shape()), text_of(judge[i].shape())) << what;
    for (std::size_t n = 0; n < a.size(); ++n)
      ASSERT_LE(std::abs(a[n] - b[n]), eps * double(8 + 2 * sum) * std::max(size, 1.0))
          << what << ", tensor " << i << ", number " << n;
  }
}

class Op : public testing::TestWithParam<Row> {};

TEST_P(Op, FirstGradient) {
  const Tensors x = inputs_of(GetParam());
  expect_gradient(GetParam().f, x, random_cotangents(GetParam().f, x, "u"), GetParam().name);
}

TEST_P(Op, SecondGradient) {
  const Tensors x = inputs_of(GetParam());
  expect_second_gradient(GetParam().f, x, random_cotangents(GetParam().f, x, "u"), GetParam().name);
}

TEST_P(Op, FastPullbackAndDefinitionAgree) {
  const Row& r = GetParam();
  const Tensors x = inputs_of(r), u = random_cotangents(r.f, x, "u");
  const Tensors fast = gradients(r.f, x, u, false);
  expect_close(fast, gradients(r.f, x, u, true), eps_of(DType::f64), r.sum, "asked with and without derivatives");
  if (!r.definition) return;
  expect_close(values_of(r.f(constants(x))), values_of(r.definition(constants(x))), eps_of(DType::f64), r.sum, "value");
  expect_close(fast, gradients(r.definition, x, u, false), eps_of(DType::f64), r.sum, "gradient");
}

TEST_P(Op, F32AgreesWithF64) {
  const Row& r = GetParam();
  const Tensors x = inputs_of(r), small = inputs_of(r, DType::f32), u = random_cotangents(r.f, x, "u");
  const Tensors v = random_like(values_of(r.f(constants(small))), "u");  // the same numbers in the result's type
  expect_close(values_of(r.f(constants(small))), values_of(r.f(constants(x))), eps32, r.sum, "value");
  expect_close(gradients(r.f, small, v), gradients(r.f, x, u), eps32, r.sum, "gradient");
}

TEST_P(Op, ViewsOfAnyStrides) {
  const Row& r = GetParam();
  for (DType t : {DType::f64, DType::f32}) {
    const Tensors x = inputs_of(r, t), u = random_cotangents(r.f, x, "u");
    auto same = [&](const Tensors& views, const Tensors& plain, const Tensors& du, const std::string& what) {
      expect_close(values_of(r.f(constants(views))), values_of(r.f(constants(plain))), eps_of(t), r.sum,
                   what + " value");
      expect_close(gradients(r.f, views, du), gradients(r.f, plain, u), eps_of(t), r.sum, what + " gradient");
    };
    same(turned(x), x, turned(u), "turned");
    same(windows(x), x, windows(u), "window");
    for (int d = 0; d < 4; ++d) {
      const Tensors views = repeated(x, d);
      same(views, dense_of(views), u, "repeated");
    }
    for (int d = 0; d < 4; ++d) {
      const Tensors du = repeated(u, d);
      expect_close(gradients(r.f, x, du), gradients(r.f, x, dense_of(du)), eps_of(t), r.sum, "repeated cotangent");
    }
  }
}

TEST_P(Op, ShapesAndEmptyTensors) {
  const Row& r = GetParam();
  for (std::int64_t n : {3, 0})
    for (DType t : {DType::f64, DType::f32}) {
      const Tensors x = inputs_of(r, t, n);
      const Tensors y = values_of(r.f(constants(x)));
      ASSERT_EQ(y.size(), r.results.size());
      for (std::size_t i = 0; i < y.size(); ++i)
        EXPECT_EQ(text_of(y[i].shape()), text_of(sized(r.results[i], n))) << n << " rows";
      for (const Tensor& each : y)
        for (double v : each.to_doubles()) EXPECT_TRUE(std::isfinite(v));
      for (bool differentiable : {false, true})
        for (const Tensor& g : gradients(r.f, x, random_like(y, "u"), differentiable))
          for (double v : g.to_doubles()) EXPECT_TRUE(std::isfinite(v));
    }
}

std::string legible(const testing::TestParamInfo<Row>& p) {
  std::string out;
  for (char c : p.param.name) out += c == ' ' ? '_' : c;
  return out;
}
INSTANTIATE_TEST_SUITE_P(Table, Op, testing::ValuesIn(table()), legible);

TEST(Ops, EveryDeclaredOpHasARow) {
  std::ifstream header("src/autograd/ops.hpp");
  ASSERT_TRUE(header.is_open()) << "tests run in the repository's root";
  std::set<std::string> declared, tested{"detach"};  // detach has no derivative: see below
  for (std::string line; std::getline(header, line);)
    for (const std::string type : {"Var ", "std::vector<Var> "})
      if (line.starts_with(type)) declared.insert(line.substr(type.size(), line.find('(') - type.size()));
  for (const Row& r : table()) tested.insert(r.name.substr(0, r.name.find(' ')));
  EXPECT_GT(declared.size(), 40u) << "the header is no longer understood";
  for (const std::string& name : declared) EXPECT_TRUE(tested.contains(name)) << name << " has no row";
  for (const std::string& name : tested) EXPECT_TRUE(declared.contains(name)) << name << " is no op";
}

TEST(Ops, DetachStopsTheGradient) {
  Tape tape;
  const Var x = tape.leaf(random_tensor({3}, "x"));
  EXPECT_EQ(detach(x).tape(), nullptr);
  EXPECT_TRUE(same_bits(detach(x).value(), x.value()));
  const Var y = mul(x, detach(x));
  const Var g = tape.grad(y, {&x, 1}, ones_like(y))[0];
  EXPECT_TRUE(same_bits(g.value(), x.value()));  // not 2 x
}

TEST(Ops, CastComesBackInItsOwnType) {
  Tape tape;
  const Var x = tape.leaf(random_tensor({3, 5}, "x", DType::f64));
  for (DType t : {DType::f32, DType::bf16}) {
    const Var y = cast(x, t);
    EXPECT_EQ(y.value().dtype(), t);
    const Var g = tape.grad(y, {&x, 1}, cast(ones_like(x), t))[0];
    EXPECT_EQ(g.value().dtype(), DType::f64);
    EXPECT_EQ(g.value().to_doubles(), std::vector<double>(15, 1.0));
  }
}

// Rows of zeros and columns of zeros have no direction: the norms keep them zero, and every derivative stays finite.
TEST(Ops, NormsOfZeroHaveFiniteGradients) {
  const std::vector<std::pair<std::string, Function>> norms{
      {"rms_norm", one([](In x) { return rms_norm(x[0], {}, 1e-5); })},
      {"layer_norm", one([](In x) { return layer_norm(x[0], {}, 1e-5); })},
      {"l2_norm", one([](In x) { return l2_norm(x[0], 1e-7); })},
      {"column_norm", one([](In x) { return column_norm(x[0]); })},
      {"keep_column_norm", one([](In x) { return keep_column_norm(x[0], column_norm(x[0]), 1e-5); })}};
  for (const auto& [name, f] : norms)
    for (DType t : {DType::f64, DType::f32}) {
      Tape tape;
      const Var x = tape.leaf(Tensor::zeros(tested(), {2, 3, 5}, t));
      const Var y = f({&x, 1})[0];
      EXPECT_EQ(largest(y.value().to_doubles()), 0) << name;
      const Var g = tape.grad(y, {&x, 1}, ones_like(y), true)[0];
      ASSERT_TRUE(bool(g)) << name;
      for (double v : g.value().to_doubles()) EXPECT_TRUE(std::isfinite(v)) << name;
      const Var again = tape.grad(g, {&x, 1}, ones_like(g))[0];
      if (!again) continue;
      for (double v : again.value().to_doubles()) EXPECT_TRUE(std::isfinite(v)) << name << ", second";
      for (double v : gradients(f, {x.value()}, {ones_like(y).value()})[0].to_doubles())
        EXPECT_TRUE(std::isfinite(v)) << name;
    }
}

TEST(Ops, ImpossibleShapesAreOneSentence) {
  auto z = [](const Shape& s) { return Var(Tensor::zeros(tested(), s)); };
  EXPECT_THROW(add(z({3, 4}), z({3})), Error);
  EXPECT_THROW(matmul(z({3, 4}), z({3, 4})), Error);
  EXPECT_THROW(matmul(z({3, 4}), z({1, 4, 3})), Error);
  EXPECT_THROW(linear(z({2, 5}), z({7, 4})), Error);
  EXPECT_THROW(view(z({2, 5}), {3, 3}), Error);
  EXPECT_THROW(cut(z({2, 5}), 1, {3, 7}), Error);
  EXPECT_THROW(join({}, 0), Error);
  EXPECT_THROW(join({z({2, 5}), z({3, 4})}, 0), Error);
  EXPECT_THROW(split_heads(z({1, 2, 10}), 3, 1), Error);
  EXPECT_THROW(swiglu(z({2, 5}), z({5, 2})), Error);
  EXPECT_THROW(attention(z({1, 1, 2, 3}), z({1, 1, 2, 4}), z({1, 1, 2, 3}), 1), Error);
  EXPECT_THROW(sum_to(z({2, 5}), {2, 4}), Error);
  EXPECT_THROW(expand(z({2, 5}), {3, 5}), Error);
  EXPECT_THROW(keep_column_norm(z({2, 3, 5}), z({2, 1, 4}), 1e-5), Error);
  EXPECT_THROW(rms_norm(z({2, 5}), z({4}), 1e-5), Error);
}

// No op gives what it makes of two types the type of whatever came first: it names itself and both.
TEST(Ops, MixedTypesAreOneSentence) {
  auto z = [](DType t, Shape s = {2, 3, 4}) { return Var(Tensor::zeros(tested(), s, t)); };
  using Mixed = std::function<void(const Var&, const Var&)>;
  const std::vector<std::pair<std::string, Mixed>> ops{
      {"join",
       [](auto a, auto b) {
         join({a, b}, 0);
       }},
      {"join_heads",
       [&](auto a, auto b) {
         join_heads({view(a, {1, 2, 3, 4}), view(b, {1, 2, 3, 4})});
       }},
      {"add", [](auto a, auto b) { add(a, b); }},
      {"sub", [](auto a, auto b) { sub(a, b); }},
      {"silu_grad", [](auto a, auto b) { silu_grad(a, b); }},
      {"gelu_grad", [](auto a, auto b) { gelu_grad(a, b); }},
      {"swiglu", [](auto a, auto b) { swiglu(a, b); }},
      {"swiglu_grad", [](auto a, auto b) { swiglu_grad(a, a, b); }},
      {"add_layer_norm", [](auto a, auto b) { add_layer_norm(a, b, {}, 1e-5); }},
      {"attention", [](auto a, auto b) {
         const Var q = view(a, {1, 2, 3, 4}), v = view(b, {1, 2, 3, 4});
         attention(q, q, v, 1);
       }}};
  for (const auto& [name, f] : ops)
    for (const auto& [a, b] : {std::pair{DType::bf16, DType::f32}, {DType::f32, DType::bf16}, {DType::f32, DType::f64}})
      EXPECT_EQ(sentence_of([&] { f(z(a), z(b)); }),
                sentence("{} of {} and {} numbers: cast one of them", name, name_of(a), name_of(b)));
  for (const auto& [a, b] : {std::pair{DType::f32, DType::bf16}, {DType::f32, DType::f64}})
    EXPECT_THROW(mul(z(a), z(b)), Error) << "only bf16 is weighed by another type";
  EXPECT_THROW(keep_column_norm(z(DType::f32), z(DType::f64, {2, 1, 4}), 1e-5), Error);
  EXPECT_THROW(linear(z(DType::f32), z(DType::f32, {5, 4}), z(DType::f64, {5})), Error);
}

}  // namespace
}  // namespace lact
