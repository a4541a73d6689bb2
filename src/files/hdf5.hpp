// Tensors by name in an HDF5 file, whole or in slabs, with attributes. Names are paths: '/' makes groups, '.' is a
// letter like any other. Metadata is written in the format that carries checksums, so damage there is noticed; numbers
// have none. Every failure is an Error that names the file and the dataset. All calls of a process take turns: the
// library has one lock.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "tensor/tensor.hpp"

namespace lact {

std::string hdf5_version();  // "HDF5 1.10.8"

class Hdf5File {
 public:
  struct Info {
    Shape shape;
    DType dtype;
    std::int64_t bytes;
  };
  using Attribute = std::variant<std::int64_t, double, std::string>;

  static Hdf5File create(
      const std::string& path);                   // an old file is emptied: give it the temporary name of a Replacement
  static Hdf5File open(const std::string& path);  // to read
  Hdf5File(Hdf5File&&) noexcept;
  Hdf5File& operator=(Hdf5File&&) noexcept;
  ~Hdf5File();
  const std::string& path() const { return path_; }

  std::vector<std::string> names() const;  // of all datasets, sorted
  bool has(const std::string& name) const;
  Info info(const std::string& name) const;
  void put(const std::string& name, const Tensor& t);
  Tensor get(const std::string& name, Device& d) const;

  // A slab is the block of `count` numbers per dim that begins at `start`; what was never written reads as zeros.
  void create_dataset(const std::string& name, const Shape& shape, DType t);
  void write_slab(const std::string& name, const Shape& start, const Tensor& t);
  // Where its numbers begin in the file: they stand there row-major, one after the other, so that several processes can
  // read or write their parts at once. 0 if there are none. A compressed or chunked dataset has no such place.
  std::int64_t place(const std::string& name) const;
  Tensor read_slab(const std::string& name, const Shape& start, const Shape& count, Device& d) const;

  // Of a dataset, or of the file itself where the dataset is "".
  void set_attribute(const std::string& key, const Attribute& value, const std::string& dataset = "");
  bool has_attribute(const std::string& key, const std::string& dataset = "") const;
  std::int64_t integer(const std::string& key, const std::string& dataset = "") const;
  double number(const std::string& key, const std::string& dataset = "") const;
  std::string text(const std::string& key, const std::string& dataset = "") const;

  // Writes everything out and reports what could not be. Without it the destructor closes in silence.
  void close();

 private:
  struct Handles;
  Hdf5File(std::string path, std::unique_ptr<Handles> handles);
  Handles& opened() const;
  std::string path_;
  std::unique_ptr<Handles> handles_;
};

}  // namespace lact
