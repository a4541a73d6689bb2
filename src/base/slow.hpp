// Work that is silent while it is quick.
#pragma once
#include <cstdint>
#include <string>

namespace lact {

// Says how far a long piece of work is, every two seconds: "opening scenes: 300 of 9000".
class Slow {
 public:
  explicit Slow(std::string what);
  ~Slow();
  Slow(const Slow&) = delete;
  double seconds() const;  // since it began
  void at(std::int64_t done, std::int64_t all);

 private:
  std::string what_;
  double begin_, next_ = 2;
  bool said_ = false;
};

}  // namespace lact
