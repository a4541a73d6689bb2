// Where the ranks of a job meet for the watchdog, and the secret by which they know each other: rank 0 opens doors,
// MPI hands the invitation to the others.
#pragma once
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "parallel/health/socket.hpp"

namespace lact {

using Secret = std::array<std::byte, 32>;
Secret new_secret();                          // of the system's random numbers
bool same(const Secret& a, const Secret& b);  // takes as long for one wrong byte as for all

struct Invitation {  // travels by MPI as these bytes; never printed
  Secret secret{};
  std::array<Address, 8> doors{};  // in the order to try; those after the last have port 0
};

struct Meeting {
  Invitation invitation;
  std::vector<Socket> doors;  // rank 0's; the others have none
  // On a port between 20000 and 31999, which systems do not give away by themselves.
  static Meeting open(const std::vector<Ip>& addresses);
};

// A host's addresses but its loopback; those after the last are 0. Exchanged as these bytes.
struct HostAddresses {
  std::array<Ip, 16> ips{};
};
HostAddresses addresses_of_this_host();
// Those of this host from which its routes lead to the others: of the interfaces that the ranks use. `asked`, a name
// or an address of this host, comes before all of them; one that is not is warned of.
std::vector<Ip> addresses_towards(const std::vector<HostAddresses>& others, const std::string& asked);

}  // namespace lact
