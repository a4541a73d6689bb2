#include "parallel/health/meeting.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/random.h>

#include <algorithm>
#include <memory>

#include "base/check.hpp"
#include "base/log.hpp"

namespace lact {
namespace {

constexpr int first_port = 20000, ports = 12000, ports_tried = 64;

template <class T>
void fill_with_random(T& bytes) {
  check(::getrandom(&bytes, sizeof bytes, 0) == ssize_t(sizeof bytes), "the system gives no random numbers");
}

Socket door_at(Ip ip, Address& address) {
  for (int i = 0; i < ports_tried; ++i) {
    std::uint32_t number = 0;
    fill_with_random(number);
    address = {ip, std::uint16_t(first_port + int(number % ports))};
    Socket door = Socket::listen(address);
    if (door.open()) return door;
  }
  address = {};
  return {};
}

}  // namespace

Secret new_secret() {
  Secret s;
  fill_with_random(s);
  return s;
}

bool same(const Secret& a, const Secret& b) {
  volatile unsigned differing = 0;  // volatile: every byte is looked at
  for (std::size_t i = 0; i < a.size(); ++i) differing = differing | unsigned(a[i] ^ b[i]);
  return differing == 0;
}

Meeting Meeting::open(const std::vector<Ip>& addresses) {
  Meeting m;
  m.invitation.secret = new_secret();
  for (Ip ip : addresses) {
    if (m.doors.size() == m.invitation.doors.size()) break;
    Address at;
    Socket door = door_at(ip, at);
    if (!door.open()) continue;
    m.invitation.doors[m.doors.size()] = at;
    m.doors.push_back(std::move(door));
  }
  return m;
}

HostAddresses addresses_of_this_host() {
  HostAddresses all;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return all;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  std::size_t n = 0;
  for (const ifaddrs* i = list; i != nullptr && n < all.ips.size(); i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET) continue;
    if ((i->ifa_flags & IFF_UP) == 0 || (i->ifa_flags & IFF_LOOPBACK) != 0) continue;
    all.ips[n++] = reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr.s_addr;
  }
  return all;
}

std::vector<Ip> addresses_towards(const std::vector<HostAddresses>& others, const std::string& asked) {
  const auto mine = addresses_of_this_host().ips;
  std::vector<Ip> found;
  auto add = [&](Ip ip) {
    if (ip != 0 && std::ranges::find(found, ip) == found.end()) found.push_back(ip);
  };
  if (!asked.empty()) {
    const Ip ip = Socket::ip_of_this_host(asked);
    if (ip == 0) log::warning("LACT_STATUS_ADDRESS={} is no address of the host of rank 0, so it is not used", asked);
    add(ip);
  }
  for (const HostAddresses& other : others)
    for (Ip ip : other.ips)  // the same on several hosts: of a bridge that each has for itself
      if (ip != 0 && std::ranges::find(mine, ip) == mine.end()) add(Socket::ip_towards(ip));
  std::erase_if(found, [](Ip ip) { return is_loopback(ip); });
  return found;
}

}  // namespace lact
