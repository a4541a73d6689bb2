#include "tensor/device_clock.hpp"

#include "base/clock.hpp"

namespace lact {

Clock clock_of(Device& d) {
  if (d.backend() != Backend::cuda) return {};
  d.compute().finish();
  const Event origin = d.compute().mark_time();
  const double at = steady_seconds();
  return [stream = &d.compute(), origin, at]() -> Moment {
    return [now = stream->mark_time(), origin, at] { return at + now.seconds_since(origin); };
  };
}

}  // namespace lact
