// Files read whole, and files replaced whole: whoever reads a path sees the old content or the new, never a part, also
// after a crash or on a full disk. Every error is one sentence with the file and the system's reason.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lact {

// Bytes at any place of a regular file; a folder, a pipe or a device is refused.
class FileReader {
 public:
  explicit FileReader(const std::string& path);
  const std::string& path() const { return path_; }
  std::int64_t size() const { return size_; }  // when it was opened
  std::string real_path() const;               // where the opened file lies, without links; empty where nobody can say
  // How many were there: fewer than asked for only at the end of the file.
  std::int64_t read(void* to, std::int64_t count, std::int64_t begin) const;

 private:
  std::string path_;
  std::shared_ptr<const int> descriptor_;
  std::int64_t size_ = 0;
};

// Of the whole file, in turn, in blocks of up to a MiB.
void each_block(const FileReader& file, const std::function<void(std::string_view)>& take);
// Of a regular file; refused when it holds more than max_bytes.
std::string read_text(const std::string& path, std::int64_t max_bytes);
void write_whole(const std::string& path, std::string_view bytes);
// With the folders above it; one that is there is left as it is. Errors name it as `shown`, if that is given.
void make_folder(const std::string& folder, const std::string& shown = "");

// A temporary name beside `path` that becomes `path` on commit() and is removed otherwise. It is always the same name,
// so what a killed process left there is replaced by the next; two processes must not replace one path at once.
class Replacement {
 public:
  explicit Replacement(std::string path);
  ~Replacement();
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  const std::string& temporary() const { return temporary_; }
  void commit();  // makes the bytes durable, then renames; the temporary file must be closed by then

 private:
  std::string path_, temporary_;
  bool committed_ = false;
};

// Holds a folder for this process until it is destroyed or the process ends; an error if another process holds it.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

// Bytes written one after the other. Errors name `shown`, the file that the user asked for.
class FileWriter {
 public:
  explicit FileWriter(const std::string& path, std::string shown);  // makes the file, which may not be there
  static FileWriter at_end(const std::string& path);                // goes on behind what is there
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  void write(std::string_view bytes);
  void close();  // reports what the system held back until now

 private:
  FileWriter(const std::string& path, std::string shown, int mode);
  int descriptor_;
  std::string shown_;
};

// Bytes written into places of a file that is there already, by several processes at once if their places differ.
class PlaceWriter {
 public:
  PlaceWriter(const std::string& path, std::string shown);
  ~PlaceWriter();
  PlaceWriter(const PlaceWriter&) = delete;
  PlaceWriter& operator=(const PlaceWriter&) = delete;
  void write(const void* from, std::int64_t count, std::int64_t begin);
  void close();  // makes the bytes durable, and reports what the system held back until now

 private:
  int descriptor_;
  std::string shown_;
};

}  // namespace lact
