// TCP as the watchdog needs it: nothing here blocks longer than it is told to.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lact {

using Ip = std::uint32_t;  // of version 4, in the order of the network; 0 is none
bool is_loopback(Ip ip);
Ip loopback();
struct Address {
  Ip ip = 0;
  std::uint16_t port = 0;
};

class Socket {  // a listener or a connection, closed with its life
 public:
  Socket() = default;
  Socket(Socket&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() { close(); }
  void close();
  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  // Both are not open where it is not possible.
  static Socket listen(const Address& at);
  static Socket connect(const Address& to, double seconds);
  Socket accept() const;  // not open if nobody has called
  // Of a name or an address of one of this host's interfaces; else 0.
  static Ip ip_of_this_host(const std::string& name);
  static Ip ip_towards(Ip other);  // from which packets to there leave this host; 0 where no route leads there

  // The whole, or a closed socket: a peer that takes nothing for `seconds` is given up.
  void send(std::span<const std::byte> bytes, double seconds);
  // Appends what has come, until `into` holds so many bytes; closes when the other side has.
  void receive(std::vector<std::byte>& into, std::size_t most);

 private:
  explicit Socket(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// Returns when one of them can be read, or after so many seconds.
void wait_readable(std::span<const int> fds, double seconds);
}  // namespace lact
