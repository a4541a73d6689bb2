#include "parallel/health/socket.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

namespace lact {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses addresses_of(const std::string& host) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host.c_str(), nullptr, &wanted, &found) != 0) found = nullptr;
  return {found, &freeaddrinfo};
}

sockaddr_in as_system(const Address& a) {
  sockaddr_in s{};
  s.sin_family = AF_INET;
  s.sin_port = htons(a.port);
  s.sin_addr.s_addr = a.ip;
  return s;
}
const sockaddr* pointer(const sockaddr_in& s) { return reinterpret_cast<const sockaddr*>(&s); }

int tcp() { return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

bool ready(int fd, short events, double seconds) {
  pollfd p{fd, events, 0};
  return ::poll(&p, 1, int(seconds * 1000)) == 1;
}

}  // namespace

bool is_loopback(Ip ip) { return (ntohl(ip) >> 24) == 127; }
Ip loopback() { return htonl(INADDR_LOOPBACK); }

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    std::swap(fd_, other.fd_);
  }
  return *this;
}

void Socket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Socket Socket::listen(const Address& at) {
  Socket s(tcp());
  const int yes = 1;
  const sockaddr_in address = as_system(at);
  if (!s.open()) return s;
  ::setsockopt(s.fd_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);  // a port that an earlier job has just left
  if (::bind(s.fd_, pointer(address), sizeof address) != 0 || ::listen(s.fd_, 1024) != 0) s.close();
  return s;
}

Socket Socket::connect(const Address& to, double seconds) {
  Socket s(tcp());
  if (!s.open()) return s;
  const sockaddr_in address = as_system(to);
  int error = 0;
  socklen_t size = sizeof error;
  const bool begun = ::connect(s.fd_, pointer(address), sizeof address) == 0 || errno == EINPROGRESS;
  if (!begun || !ready(s.fd_, POLLOUT, seconds) || ::getsockopt(s.fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 ||
      error != 0) {
    s.close();
    return s;
  }
  const int yes = 1;
  ::setsockopt(s.fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return s;
}

Socket Socket::accept() const { return Socket(::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)); }

void Socket::send(std::span<const std::byte> bytes, double seconds) {
  while (open() && !bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0)
      bytes = bytes.subspan(std::size_t(n));
    else if (n < 0 && errno != EINTR && (errno != EAGAIN || !ready(fd_, POLLOUT, seconds)))
      close();
  }
}

void Socket::receive(std::vector<std::byte>& into, std::size_t most) {
  std::array<std::byte, 8192> some;
  while (open() && into.size() < most) {
    const ssize_t n = ::recv(fd_, some.data(), std::min(some.size(), most - into.size()), 0);
    if (n > 0) {
      into.insert(into.end(), some.begin(), some.begin() + n);
    } else if (n == 0 || errno != EINTR) {
      if (n == 0 || errno != EAGAIN) close();
      return;
    }
  }
}

void wait_readable(std::span<const int> fds, double seconds) {
  std::vector<pollfd> all;
  for (int fd : fds) all.push_back({fd, POLLIN, 0});  // poll() leaves out what is not open
  ::poll(all.data(), all.size(), int(seconds * 1000));
}

Ip Socket::ip_of_this_host(const std::string& name) {
  const Addresses found = addresses_of(name);
  for (const addrinfo* a = found.get(); a; a = a->ai_next) {
    const Socket s(tcp());
    if (s.open() && ::bind(s.fd_, a->ai_addr, a->ai_addrlen) == 0)
      return reinterpret_cast<const sockaddr_in*>(a->ai_addr)->sin_addr.s_addr;
  }
  return 0;
}

Ip Socket::ip_towards(Ip other) {
  const Socket s(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));  // its connect() sends nothing
  const sockaddr_in address = as_system({other, 9});
  sockaddr_in mine{};
  socklen_t size = sizeof mine;
  if (!s.open() || ::connect(s.fd_, pointer(address), sizeof address) != 0) return 0;
  return ::getsockname(s.fd_, reinterpret_cast<sockaddr*>(&mine), &size) == 0 ? mine.sin_addr.s_addr : 0;
}

}  // namespace lact
