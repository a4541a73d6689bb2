#include "layers/linear.hpp"

#include <cmath>

namespace lact {

InitScale InitScale::of(std::int64_t branches) { return {0.02, 0.02 / std::sqrt(double(branches))}; }

}  // namespace lact
