// Between a rank's flat buckets and the whole tensors of a file: which numbers it owns, where they stand, and a
// checksum that ranks can share out in any way.
#pragma once
#include <string>
#include <vector>

#include "files/whole_file.hpp"
#include "layers/parameters.hpp"

namespace lact {

struct GlobalTensor {  // as a file holds it
  std::string name;    // "value/NAME", "first/NAME", "second/NAME"
  Shape shape;
  DType type = DType::f32;
  int stage = 0;           // place in pp of the ranks that write it
  std::int64_t place = 0;  // of its first byte in the file
};

// What the ranks of all stages have together, by name. Collective.
std::vector<GlobalTensor> tensors_of_all_ranks(ParameterStore& store, Mesh& mesh);

// Writes the numbers of this rank's shards: each number of a tensor is written by one rank.
void write_owned(PlaceWriter& out, const std::vector<GlobalTensor>& tensors, ParameterStore& store, Mesh& mesh);
// XXH3_64bits of the bytes of the tensors that fall to this rank when all are shared out by size; 0 for the others.
std::vector<std::uint64_t> checksums_of_share(const FileReader& in, const std::vector<GlobalTensor>& tensors, int rank,
                                              int ranks);

// What the store of this rank holds, from the file to the host, one tensor per bucket and kind of number; and into the
// store.
std::vector<Tensor> read_held(const FileReader& in, const std::vector<GlobalTensor>& tensors, ParameterStore& store,
                              Mesh& mesh);
void put_held(ParameterStore& store, const std::vector<Tensor>& numbers);

}  // namespace lact
