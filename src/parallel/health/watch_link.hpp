// What the ranks of a job tell each other for the watchdog, and a connection that takes nothing else.
#pragma once
#include "parallel/health/blame.hpp"
#include "parallel/health/meeting.hpp"

namespace lact {

// All that travels, both ways, as these bytes: ranks of one job run one binary. Each frame proves by the secret that it
// comes from a member.
struct Frame {
  enum class Kind : std::uint8_t { report, left, failed, end };
  std::array<char, 8> magic{'l', 'a', 'c', 't', 'd', 'o', 'g', '2'};
  Secret secret{};
  Kind kind = Kind::report;
  std::int32_t rank = 0;
  Sighting sighting;
};

class Link {  // a connection and what has come of the next frame
 public:
  Link() = default;
  Link(Socket s, const Secret& secret) : socket_(std::move(s)), secret_(secret) {}
  bool open() const { return socket_.open(); }
  int fd() const { return socket_.fd(); }
  void close() { socket_.close(); }
  void send(const Frame& f);
  // Up to `most` frames of members, oldest first, and never more bytes than those. Whoever sends anything else is cut
  // off: at the first byte that no frame has, or when a whole one proves nothing.
  std::vector<Frame> receive(std::size_t most = 16);

 private:
  Socket socket_;
  Secret secret_{};
  std::vector<std::byte> bytes_;
};

}  // namespace lact
