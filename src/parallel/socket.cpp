#include "parallel/socket.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

namespace lact {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses addresses_of(const std::string& host, int port) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found) != 0) found = nullptr;
  return {found, &freeaddrinfo};
}

int tcp() { return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

bool ready(int fd, short events, double seconds) {
  pollfd p{fd, events, 0};
  return ::poll(&p, 1, int(seconds * 1000)) == 1;
}

}  // namespace

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

Socket Socket::listen(int port, bool this_host_only) {
  Socket s(tcp());
  const int yes = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(std::uint16_t(port));
  address.sin_addr.s_addr = htonl(this_host_only ? INADDR_LOOPBACK : INADDR_ANY);
  if (!s.open()) return s;
  ::setsockopt(s.fd_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);  // a port that an earlier job has just left
  const bool listens =
      ::bind(s.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && ::listen(s.fd_, 1024) == 0;
  if (!listens) s.close();
  return s;
}

Socket Socket::connect(const std::string& host, int port, double seconds) {
  const Addresses found = addresses_of(host, port);
  for (const addrinfo* a = found.get(); a; a = a->ai_next) {
    Socket s(tcp());
    if (!s.open()) return s;
    int error = 0;
    socklen_t size = sizeof error;
    if (::connect(s.fd_, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) continue;
    if (!ready(s.fd_, POLLOUT, seconds)) continue;
    if (::getsockopt(s.fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) continue;
    const int yes = 1;
    ::setsockopt(s.fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return s;
  }
  return {};
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

void Socket::receive(std::vector<std::byte>& into) {
  std::array<std::byte, 8192> some;
  while (open()) {
    const ssize_t n = ::recv(fd_, some.data(), some.size(), 0);
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

bool Socket::is_this_host(const std::string& host) {
  const Addresses found = addresses_of(host, 0);
  for (const addrinfo* a = found.get(); a; a = a->ai_next) {
    const Socket s(tcp());
    if (s.open() && ::bind(s.fd_, a->ai_addr, a->ai_addrlen) == 0) return true;
  }
  return false;
}

}  // namespace lact
