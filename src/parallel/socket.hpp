// TCP as the watchdog needs it: nothing here blocks longer than it is told to.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace lact {

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
  static Socket listen(int port, bool this_host_only);
  static Socket connect(const std::string& host, int port, double seconds);
  static bool is_this_host(const std::string& host);  // a name or an address of a network interface here
  Socket accept() const;                              // not open if nobody has called

  // The whole, or a closed socket: a peer that takes nothing for `seconds` is given up.
  void send(std::span<const std::byte> bytes, double seconds);
  // Appends what has come; closes when the other side has.
  void receive(std::vector<std::byte>& into);

 private:
  explicit Socket(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// Returns when one of them can be read, or after so many seconds.
void wait_readable(std::span<const int> fds, double seconds);
}  // namespace lact
