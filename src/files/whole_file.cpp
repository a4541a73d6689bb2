#include "files/whole_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/check.hpp"
#include "base/file_work.hpp"

namespace lact {
namespace {

std::string reason() { return std::generic_category().message(errno); }

std::string folder_of(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

int opened(const std::string& path, int flags, mode_t mode = 0) {
  const FileWork work("opening", path);
  return ::open(path.c_str(), flags, mode);
}

void make_durable(const std::string& path, int flags, const std::string& shown) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  bool ok =
      fd >= 0 && (::fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP);  // some file systems cannot sync folders
  std::string why = ok ? "" : reason();
  if (fd >= 0) ::close(fd);
  if (!ok) fail("{}: cannot be made durable ({})", shown, why);
}

}  // namespace

FileReader::FileReader(const std::string& path) : path_(path) {
  check(path.find('\0') == path.npos, "{}: cannot be read (no path holds a zero byte)", path);
  const FileWork work("opening", path);
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not block the open
  if (fd < 0) fail("{}: cannot be read ({})", path, reason());
  descriptor_ = std::shared_ptr<const int>(new int(fd), [](const int* d) {
    ::close(*d);
    delete d;
  });
  struct stat s {};
  check(::fstat(fd, &s) == 0 && S_ISREG(s.st_mode), "{}: is not a file", path);
  size_ = s.st_size;
}

std::int64_t FileReader::read(void* to, std::int64_t count, std::int64_t begin) const {
  const FileWork work("reading", path_);
  std::int64_t done = 0;
  while (done < count) {
    ssize_t n = ::pread(*descriptor_, static_cast<std::byte*>(to) + done, std::size_t(count - done), begin + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("{}: cannot be read ({})", path_, reason());
    if (n == 0) break;
    done += n;
  }
  return done;
}

std::string FileReader::real_path() const {
  std::error_code error;  // without /proc the path is resolved a second time
  const auto opened = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(*descriptor_), error);
  return (error ? std::filesystem::canonical(path_, error) : opened).string();
}

void each_block(const FileReader& file, const std::function<void(std::string_view)>& take) {
  std::string block(std::size_t(1) << 20, '\0');
  const auto most = std::int64_t(block.size());
  for (std::int64_t at = 0, n = most; n == most; at += n) {  // to the end, for files of /proc have no size
    n = file.read(block.data(), most, at);
    take({block.data(), std::size_t(n)});
  }
}

std::string read_text(const std::string& path, std::int64_t max_bytes) {
  const FileReader file(path);
  return reading(path, [&] {
    std::string text;
    text.reserve(std::size_t(std::min(file.size(), max_bytes)));
    each_block(file, [&](std::string_view block) {
      text += block;
      check(std::int64_t(text.size()) <= max_bytes, "{}: larger than {} bytes", path, max_bytes);
    });
    return text;
  });
}

void make_folder(const std::string& folder, const std::string& shown) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check(!error, "{} cannot be made: {}", shown.empty() ? folder : shown, error.message());
}

void write_whole(const std::string& path, std::string_view bytes) {
  const FileWork work("writing", path);
  Replacement replacement(path);
  FileWriter out(replacement.temporary(), path);
  out.write(bytes);
  out.close();
  replacement.commit();
}

Replacement::Replacement(std::string path) : path_(std::move(path)), temporary_(path_ + ".partial") {
  const FileWork work("writing", path_);
  struct stat s {};
  check(::stat(path_.c_str(), &s) != 0 || S_ISREG(s.st_mode), "{}: cannot be replaced: it is not a file", path_);
  if (::unlink(temporary_.c_str()) != 0 && errno != ENOENT) fail("{}: cannot be written ({})", path_, reason());
}

Replacement::~Replacement() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void Replacement::commit() {
  const FileWork work("writing", path_);
  make_durable(temporary_, O_RDONLY | O_NOFOLLOW, path_);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("{}: cannot be replaced ({})", path_, reason());
  committed_ = true;
  make_durable(folder_of(path_), O_RDONLY | O_DIRECTORY, path_);
}

// The file is new: it is not one that somebody else put there meanwhile, nor a link to another.
FileWriter::FileWriter(const std::string& path, std::string shown)
    : FileWriter(path, std::move(shown), O_EXCL | O_NOFOLLOW) {}

FileWriter FileWriter::at_end(const std::string& path) { return {path, path, O_APPEND}; }

FileWriter::FileWriter(const std::string& path, std::string shown, int mode)
    : descriptor_(opened(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | mode, 0666)),  // as above
      shown_(std::move(shown)) {
  if (descriptor_ < 0) fail("{}: cannot be written ({})", shown_, reason());
}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FileWriter::write(std::string_view bytes) {
  const FileWork work("writing", shown_);
  while (!bytes.empty()) {
    ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("{}: cannot be written ({})", shown_, reason());
    bytes.remove_prefix(std::size_t(n));
  }
}

void FileWriter::close() {
  const FileWork work("writing", shown_);
  int fd = std::exchange(descriptor_, -1);
  if (::close(fd) != 0) fail("{}: cannot be written ({})", shown_, reason());
}

PlaceWriter::PlaceWriter(const std::string& path, std::string shown)
    : descriptor_(opened(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)), shown_(std::move(shown)) {
  if (descriptor_ < 0) fail("{}: cannot be written ({})", shown_, reason());
}

PlaceWriter::~PlaceWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void PlaceWriter::write(const void* from, std::int64_t count, std::int64_t begin) {
  const FileWork work("writing", shown_);
  for (std::int64_t done = 0; done < count;) {
    ssize_t n =
        ::pwrite(descriptor_, static_cast<const std::byte*>(from) + done, std::size_t(count - done), begin + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("{}: cannot be written ({})", shown_, reason());
    done += n;
  }
}

void PlaceWriter::close() {
  const FileWork work("writing", shown_);
  int fd = std::exchange(descriptor_, -1);
  bool durable = ::fsync(fd) == 0;
  std::string why = durable ? "" : reason();
  if (::close(fd) != 0 && durable) why = reason();
  check(why.empty(), "{}: cannot be written ({})", shown_, why);
}

FolderLock::FolderLock(const std::string& folder) : descriptor_(opened(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  check(descriptor_ >= 0, "{}: cannot be opened ({})", folder, reason());
  const FileWork work("locking", folder);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;  // some file systems have no locks
  ::close(descriptor_);
  fail("{}: another process is at work in this folder", folder);
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace lact
