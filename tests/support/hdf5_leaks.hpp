// For tests that give the HDF5 library damaged files or a full disk: there it loses memory of its own, which
// LeakSanitizer would report.
#pragma once

extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libhdf5\n"; }
