// Models and layers over ranks of cp and tp, to be compared with the same on one rank, in f64.
#pragma once
#include "kernels/pointwise.hpp"
#include "layers/parameters/store.hpp"
#include "support/gradcheck.hpp"
#include "support/ranks.hpp"

namespace lact {

constexpr double same = 2e-11;  // f64 through Newton-Schulz, which amplifies by some hundreds

// Products cp x tp of the ranks that were started.
inline std::vector<Grid> grids() {
  std::vector<Grid> out;
  for (int cp = 1; cp <= world().size(); ++cp)
    if (world().size() % cp == 0) out.push_back({{1, 1, cp, world().size() / cp}});
  return out;
}
inline std::string name_of(const Grid& g) {
  return "cp=" + std::to_string(g.size[2]) + " tp=" + std::to_string(g.size[3]);
}

// Rows of dim 1 in the order of ranges.
inline Tensor rows_of(const Tensor& x, const std::vector<Range>& ranges) { return gather_rows(x, ranges).value(); }

inline void expect_close(const Tensor& got, const Tensor& want, const std::string& what, double bound = same) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  if (want.count() > 0) {
    EXPECT_LE(difference(got, want), bound) << what;
  }
}

// Sums over a line of ranks what each holds.
inline Tensor summed(const Tensor& t, Communicator& c) {
  Tensor s = Tensor::zeros(tested(), t.shape(), t.dtype());
  kernels::unary(kernels::Unary::copy, s, t);
  c.all_reduce(s).wait();
  return s;
}

struct Built {  // one layer with its own parameters, on a mesh
  ParameterStore store;
  Mesh& mesh;
  explicit Built(Mesh& m) : store(m.grid().size[3]), mesh(m) {}
  void lay_out() {
    store.lay_out(tested(), mesh, 3, DType::f64);
    store.zero_gradients();
  }
  // Elements of the whole parameter's gradient that this rank holds, summed where it is partial.
  Tensor gradient(const Parameter& p) { return summed(store.gradient(p), mesh.along(p.replicated_on)); }
};

// The piece that a rank holds of a parameter, from the whole one.
inline Tensor piece_of(const Tensor& whole, const Parameter& p, const Mesh& mesh) {
  const auto all = whole.to_doubles();
  std::vector<double> mine(std::size_t(count_of(p.local)));
  for (std::size_t i = 0; i < mine.size(); ++i)
    mine[i] = all[std::size_t(whole_index(p, mesh.at(Axis::tp), mesh.grid().size[3], std::int64_t(i)))];
  return Tensor::of(tested(), p.local, std::span<const double>(mine), DType::f64);
}

}  // namespace lact
