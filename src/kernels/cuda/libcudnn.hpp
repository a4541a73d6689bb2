// Opening the library, which tests/emulated replaces.
#pragma once
#include <dlfcn.h>

namespace lact::kernels::cuda::cudnn {

inline void* open_library() { return ::dlopen("libcudnn.so.9", RTLD_NOW | RTLD_GLOBAL); }

}  // namespace lact::kernels::cuda::cudnn
