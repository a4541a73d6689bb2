/* Preloaded, it stands for a slow file system: on rank 1, files below checkpoints/ take 4 seconds to become durable. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fsync(int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  char link[64], path[4096] = "";
  const char* rank = getenv("OMPI_COMM_WORLD_RANK");
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  if (readlink(link, path, sizeof path - 1) > 0 && rank != NULL && strcmp(rank, "1") == 0 &&
      strstr(path, "/checkpoints/"))
    sleep(4);
  return real(file);
}
