#pragma once

namespace lact {

double steady_seconds();     // of the monotonic clock; the same for all processes of a host
double processor_seconds();  // that this process has computed, all threads together

}  // namespace lact
