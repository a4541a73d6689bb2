// What this process is at with files, so that nobody takes a slow file system for a hang: a watchdog asks from its own
// thread, at any time.
#pragma once
#include <string>

namespace lact {

// While it lives, this thread is at work with a file. One inside another of the same thread adds nothing: others wait
// for the outer work, such as the reading of many pictures.
class FileWork {
 public:
  FileWork(const char* doing, const std::string& path);  // "writing", "runs/a/checkpoints/step_00000004.h5"
  ~FileWork();
  FileWork(const FileWork&) = delete;
  FileWork& operator=(const FileWork&) = delete;

  struct Seen {
    std::string what;   // "writing runs/a/...", of the work that began first; empty where there is none
    double since = 0;   // steady_seconds() at its begin
    double ended = -1;  // steady_seconds() at the end of the last one; below zero before there was any
  };
  static Seen seen();  // of all threads but those left out

  // For threads that work ahead, which nobody waits for.
  static void leave_out_this_thread();

 private:
  long number_ = -1;  // of the entry that others see
};

}  // namespace lact
