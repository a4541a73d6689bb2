#pragma once

namespace lact {

double steady_seconds();  // of the monotonic clock; the same for all processes of a host

}  // namespace lact
