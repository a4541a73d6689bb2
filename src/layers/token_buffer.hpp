// Numbers of tokens that a decoder keeps, [..., room, width], written in place: one more token copies no other.
#pragma once
#include "tensor/tensor.hpp"

namespace lact {

class TokenBuffer {
 public:
  TokenBuffer() = default;
  TokenBuffer(const TokenBuffer& o);  // with numbers of its own
  TokenBuffer(TokenBuffer&&) noexcept = default;
  TokenBuffer& operator=(TokenBuffer o) noexcept {
    numbers_ = std::move(o.numbers_);
    return *this;
  }

  // Room for so many tokens shaped as those of x [..., t, width]; the first `kept` of those that are there stay.
  void make_room(std::int64_t tokens, const Tensor& x, std::int64_t kept);
  std::int64_t room() const { return numbers_.defined() ? numbers_.dim(-2) : 0; }
  void write(std::int64_t at, const Tensor& x);  // the tokens of x into the places from `at` on
  Tensor part(Range tokens) const;               // a view

 private:
  Tensor numbers_;
};

}  // namespace lact
