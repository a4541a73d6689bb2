#include "layers/recurrent/shared_sequence.hpp"

#include "autograd/ops.hpp"
#include "base/check.hpp"

namespace lact {

std::int64_t heads_of_rank(std::int64_t heads, int tp, std::string_view layer) {
  check(heads > 0, "{} of {} heads", layer, heads);
  check(heads % tp == 0, "{} heads of {} do not divide over {} ranks of tp", heads, layer, tp);
  return heads / tp;
}

std::int64_t expanded(std::int64_t dim, double expand, std::int64_t heads, std::string_view key) {
  check(heads > 0, "num_heads={} is no number of heads", heads);
  check(expand > 0 && expand <= 64, "{}={} is not between 0 and 64", key, expand);
  const auto width = std::int64_t(double(dim) * expand);
  check(width > 0 && width % heads == 0, "{}={} makes {} channels of a width of {}, which do not divide into {} heads",
        key, expand, width, dim, heads);
  return width;
}

Var by_head(const Var& x, std::int64_t heads) { return view(x, {x.dim(0), x.dim(1), heads, x.dim(2) / heads}); }

Var heads_joined(const Var& x) { return view(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)}); }

}  // namespace lact
