// Which ranks run where: what the first lines of a run say.
#pragma once
#include <array>
#include <bitset>
#include <string>
#include <vector>

namespace lact {

struct Place {  // travels between ranks as these bytes
  std::array<char, 64> host{};
  std::bitset<1024> cores;  // that the rank may use, each by its first hardware thread
};
Place place_of_this_process();
// Of all ranks, in their order: "4 ranks on 2 hosts: 0-1 on a (2 cores), 2-3 on b (2 cores)", each core counted once.
std::string text_of(const std::vector<Place>& ranks);

}  // namespace lact
