#include "support/gradcheck.hpp"

namespace lact {
namespace {

using Scalar = std::function<double(const Tensors&)>;

Tensor moved(const Tensor& x, const std::vector<double>& direction, std::size_t from, double t) {
  std::vector<double> v = x.to_doubles();
  for (std::size_t i = 0; i < v.size(); ++i) v[i] += t * direction[from + i];
  return Tensor::of(tested(), x.shape(), std::span<const double>(v), DType::f64);
}

Slope slope(const Scalar& f, const Tensors& x, const std::vector<double>& direction) {
  return slope_at_zero([&](double t) {
    Tensors y;
    std::size_t from = 0;
    for (const Tensor& each : x) {
      y.push_back(moved(each, direction, from, t));
      from += std::size_t(each.count());
    }
    return f(y);
  });
}

double inner_of(const Tensors& a, const Tensors& b, double* terms = nullptr) {
  double sum = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = a[i].to_doubles(), y = b[i].to_doubles();
    EXPECT_EQ(x.size(), y.size());
    for (std::size_t n = 0; n < std::min(x.size(), y.size()); ++n) sum += x[n] * y[n], size += std::abs(x[n] * y[n]);
  }
  if (terms) *terms = size;
  return sum;
}

void expect_slopes(const Scalar& f, double size_of_f, const Tensors& x, const Tensors& claimed, const std::string& what,
                   std::size_t every) {
  std::vector<double> gradient;
  for (const Tensor& g : claimed)
    for (double v : g.to_doubles()) gradient.push_back(v);
  const auto key = random_key(11, what);
  std::vector<double> direction(gradient.size());
  double length = 0;
  for (std::size_t i = 0; i < direction.size(); ++i) {
    direction[i] = normal(key, std::int64_t(i));
    length += direction[i] * direction[i];
  }
  double along = 0;
  for (std::size_t i = 0; i < direction.size(); ++i) {
    direction[i] /= std::sqrt(length);
    along += direction[i] * gradient[i];
  }
  EXPECT_TRUE(agrees(slope(f, x, direction), along, size_of_f)) << what << ", random direction";
  for (std::size_t i = 0; i < gradient.size(); i += every) {
    std::vector<double> single(gradient.size());
    single[i] = 1;
    ASSERT_TRUE(agrees(slope(f, x, single), gradient[i], size_of_f)) << what << ", number " << i;
  }
}

Tensors or_zeros(const std::vector<Var>& g, const Tensors& x) {
  Tensors out;
  for (std::size_t i = 0; i < g.size(); ++i) {
    out.push_back(g[i] ? g[i].value() : Tensor::zeros(x[i].device(), x[i].shape(), x[i].dtype()));
    EXPECT_EQ(text_of(out.back().shape()), text_of(x[i].shape())) << "gradient " << i;
    EXPECT_EQ(out.back().dtype(), x[i].dtype()) << "gradient " << i;
  }
  return out;
}

}  // namespace

Slope slope_at_zero(const std::function<double(double)>& f) {
  // (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h is wrong by h^4 f''''' / 30, so halving h removes 15/16 of the error.
  auto difference = [&](double h) { return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h); };
  const double coarse = difference(1e-3), fine = difference(5e-4);
  return {fine, std::abs(coarse - fine)};
}

testing::AssertionResult agrees(const Slope& s, double claimed, double size) {
  // rounding: 1.5 eps / h = 7e-13 of the terms of f, times what the function itself amplifies, at most a hundred
  const double tolerance = 1e-10 * (1 + size + std::abs(claimed)) + s.error;
  if (std::abs(s.value - claimed) <= tolerance) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "measured " << s.value << ", claimed " << claimed << ", tolerance "
                                     << tolerance;
}

std::vector<Var> constants(const Tensors& x) { return {x.begin(), x.end()}; }

std::vector<Var> leaves(Tape& tape, const Tensors& x) {
  std::vector<Var> out;
  for (const Tensor& t : x) out.push_back(tape.leaf(t));
  return out;
}

Tensors values_of(const std::vector<Var>& x) {
  Tensors out;
  for (const Var& v : x) out.push_back(v.value());
  return out;
}

Tensors gradients(const Function& f, const Tensors& x, const Tensors& u, bool differentiable) {
  Tape tape;
  const std::vector<Var> in = leaves(tape, x), ys = f(in);
  return or_zeros(tape.grad(ys, in, constants(u), differentiable), x);
}

void expect_gradient(const Function& f, const Tensors& x, const Tensors& u, const std::string& what,
                     std::size_t every) {
  double size = 0;
  inner_of(values_of(f(constants(x))), u, &size);
  expect_slopes([&](const Tensors& at) { return inner_of(values_of(f(constants(at))), u); }, size, x,
                gradients(f, x, u), what, every);
}

void expect_second_gradient(const Function& f, const Tensors& x, const Tensors& u, const std::string& what,
                            std::size_t every) {
  const Tensors w = random_like(x, what + " w");
  Tensors all = x;
  all.insert(all.end(), u.begin(), u.end());
  auto first = [&](const Tensors& at) {
    const auto n = std::ptrdiff_t(x.size());
    return gradients(f, {at.begin(), at.begin() + n}, {at.begin() + n, at.end()});
  };
  double size = 0;
  inner_of(first(all), w, &size);
  Tape tape;
  const std::vector<Var> in = leaves(tape, all), xs(in.begin(), in.begin() + std::ptrdiff_t(x.size())),
                         us(in.begin() + std::ptrdiff_t(x.size()), in.end());
  std::vector<Var> grads, cotangents;
  const std::vector<Var> found = tape.grad(f(xs), xs, us, true);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!found[i]) continue;
    grads.push_back(found[i]);
    cotangents.emplace_back(w[i]);
  }
  const Tensors claimed = or_zeros(tape.grad(grads, in, cotangents), all);
  expect_slopes([&](const Tensors& at) { return inner_of(first(at), w); }, size, all, claimed, what, every);
}

Tensors random_like(const Tensors& x, const std::string& name) {
  Tensors out;
  for (std::size_t i = 0; i < x.size(); ++i)
    out.push_back(random_tensor(x[i].shape(), (name + std::to_string(i)).c_str(), x[i].dtype()));
  return out;
}

Tensors random_cotangents(const Function& f, const Tensors& x, const std::string& name) {
  return random_like(values_of(f(constants(x))), name);
}

}  // namespace lact
