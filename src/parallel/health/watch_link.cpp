#include "parallel/health/watch_link.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace lact {
namespace {

constexpr double patience_of_send = 0.5;
static_assert(std::is_trivially_copyable_v<Frame>);

bool begins_like_a_frame(std::span<const std::byte> bytes) {
  const Frame like;
  const std::size_t size = std::min(bytes.size(), like.magic.size());
  return size == 0 || std::memcmp(bytes.data(), like.magic.data(), size) == 0;
}

// What is looped over, printed or compared keeps its bounds.
bool is_sound(const Frame& f) {
  const Sighting& s = f.sighting;
  return f.kind <= Frame::Kind::end && s.op <= Op::exchange && s.lines >= 0 && s.lines <= Activity::most_lines &&
         s.host.back() == 0 && s.label.back() == 0 && s.files.back() == 0;
}

}  // namespace

void Link::send(const Frame& f) { socket_.send(std::as_bytes(std::span(&f, 1)), patience_of_send); }

std::vector<Frame> Link::receive(std::size_t most) {
  std::vector<Frame> all;
  socket_.receive(bytes_, most * sizeof(Frame));
  std::size_t at = 0;
  for (; bytes_.size() - at >= sizeof(Frame); at += sizeof(Frame)) {
    Frame f;
    std::memcpy(&f, bytes_.data() + at, sizeof f);
    if (!begins_like_a_frame(std::span(bytes_).subspan(at)) || !same(f.secret, secret_) || !is_sound(f)) {
      close();
      return all;
    }
    all.push_back(f);
  }
  bytes_.erase(bytes_.begin(), bytes_.begin() + std::ptrdiff_t(at));
  if (!begins_like_a_frame(bytes_)) close();
  return all;
}

}  // namespace lact
