// Stands in for libcuda.so.1 where cuDNN compiles for a GPU that is not there: compiled kernels "load", and everything
// that would touch a GPU answers that it was not found. With STAND_IN_DUMP=FOLDER each loaded image is written there,
// for cuobjdump.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { success = 0, not_found = 500, a_driver_version = 13000, clusters_of_an_h100 = 66 };

static void dump(const void* image) {
  const char* folder = getenv("STAND_IN_DUMP");
  static int count = 0;
  if (folder == NULL || memcmp(image, "\177ELF", 4) != 0) return;
  // an ELF file of 64 bits ends behind its table of sections or of segments
  const char* elf = (const char*)image;
  unsigned long long segments, sections;
  unsigned short segment_size, segment_count, section_size, section_count;
  memcpy(&segments, elf + 32, 8);
  memcpy(&sections, elf + 40, 8);
  memcpy(&segment_size, elf + 54, 2);
  memcpy(&segment_count, elf + 56, 2);
  memcpy(&section_size, elf + 58, 2);
  memcpy(&section_count, elf + 60, 2);
  const unsigned long long a = segments + (unsigned long long)segment_size * segment_count,
                           b = sections + (unsigned long long)section_size * section_count;
  char name[4096];
  snprintf(name, sizeof(name), "%s/%04d.cubin", folder, count++);
  FILE* file = fopen(name, "wb");
  if (file == NULL) return;
  fwrite(image, 1, a > b ? a : b, file);
  fclose(file);
}
static int something(void** p) {
  *p = (void*)1;
  return success;
}

int cuLibraryLoadData(void** library, const void* image) {
  dump(image);
  return something(library);
}
int cuModuleLoadData(void** module, const void* image) {
  dump(image);
  return something(module);
}
int cuModuleLoadDataEx(void** module, const void* image) {
  dump(image);
  return something(module);
}
int cuLibraryGetKernel(void** kernel) { return something(kernel); }
int cuKernelGetFunction(void** function) { return something(function); }
int cuModuleGetFunction(void** function) { return something(function); }
int cuOccupancyMaxActiveClusters(int* n) {
  *n = clusters_of_an_h100;
  return success;
}
int cuDriverGetVersion(int* version) {
  *version = a_driver_version;
  return success;
}

int cuCtxGetCurrent(void) { return not_found; }
int cuCtxGetLimit(void) { return not_found; }
int cuCtxPopCurrent(void) { return not_found; }
int cuCtxPushCurrent(void) { return not_found; }
int cuDeviceGet(void) { return not_found; }
int cuDeviceGetCount(void) { return not_found; }
int cuGetErrorName(void) { return not_found; }
int cuGetErrorString(void) { return not_found; }
int cuKernelGetAttribute(void) { return not_found; }
int cuKernelSetAttribute(void) { return not_found; }
int cuLaunchCooperativeKernel(void) { return not_found; }
int cuLaunchKernel(void) { return not_found; }
int cuLaunchKernelEx(void) { return not_found; }
int cuLibraryLoadFromFile(void) { return not_found; }
int cuLibraryUnload(void) { return not_found; }
int cuLinkAddData(void) { return not_found; }
int cuLinkComplete(void) { return not_found; }
int cuLinkCreate(void) { return not_found; }
int cuLinkDestroy(void) { return not_found; }
int cuOccupancyMaxPotentialClusterSize(void) { return not_found; }
int cuStreamGetCtx(void) { return not_found; }
