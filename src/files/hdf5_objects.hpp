// What an HDF5 file itself holds, and nothing that it points to. The library would follow links to other files, to
// pipes and in circles, and load programs for filters; only what stands in the file under one name counts here.
// Identifiers are those of the library.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.hpp"

namespace lact::hdf5 {

// Closed when it goes.
class Handle {
 public:
  Handle(std::int64_t id, int (*close)(std::int64_t)) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  operator std::int64_t() const { return id_; }
  std::int64_t release() { return std::exchange(id_, -1); }

 private:
  std::int64_t id_;
  int (*close_)(std::int64_t);
};

std::string reason();  // of the last failure, in the library's words or the system's where it quotes them

// A negative status becomes "FILE: WHAT (reason)".
template <class Status>
Status ok(Status s, const std::string& file, std::string_view what) {
  if (s < 0) fail("{}: {} ({})", file, what, reason());
  return s;
}

// Whether `name` is a dataset of the file. A link on the way that is no plain name is an error with `path` in it.
bool has_dataset(std::int64_t file, const std::string& path, const std::string& name);
// All of them, sorted. Refused: other links than plain names, an object with two names (a group may contain itself that
// way), and depths that nobody writes.
std::vector<std::string> dataset_names(std::int64_t file, const std::string& path);
// Refuses a dataset whose numbers stand in other files or need a filter that is no part of the library.
void check_own_numbers(std::int64_t dataset, const std::string& named);

}  // namespace lact::hdf5
