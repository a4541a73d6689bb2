// The combinations of a sweep: of each key with several values one.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace lact {

struct SweptKey {
  std::string key;  // "train.lr"
  std::vector<std::string> values;
  bool numeric() const;  // all of its values are numbers
};

struct Combination {
  std::vector<std::string> values;  // of each key, in their order
  std::string name;                 // of its folder: "lr=1e-3_seed=0"
};

// The values in "a,b,c". A comma inside brackets or behind a backslash parts nothing: "[1,2],[3]" has two.
std::vector<std::string> values_in(const std::string& text);
// Takes the keys with several values out of key=value pairs. Of equal keys the last holds.
std::vector<SweptKey> taken_keys(std::vector<std::string>& pairs);
// The last key changes fastest. An error where two would have one folder.
std::vector<Combination> combinations_of(const std::vector<SweptKey>& keys);
// The name by which people tell a key: its last part, or all of it where another ends so too.
std::string short_name(const std::vector<SweptKey>& keys, std::size_t key);

}  // namespace lact
