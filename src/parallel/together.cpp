#include "parallel/together.hpp"

#include <cstring>
#include <new>
#include <sstream>

#include "base/check.hpp"

namespace lact {

std::vector<std::string> gathered(Communicator& c, const std::string& mine) {
  if (c.size() == 1) return {mine};
  static const auto host = Device::open(Backend::cpu);
  const auto bytes = std::int64_t(mine.size());
  const Tensor size = Tensor::empty(*host, {8}, DType::u8), sizes = Tensor::empty(*host, {8 * c.size()}, DType::u8);
  std::memcpy(size.raw(), &bytes, 8);
  c.all_gather(sizes, size).wait();
  std::vector<std::int64_t> counts(static_cast<std::size_t>(c.size()));
  std::memcpy(counts.data(), sizes.raw(), counts.size() * 8);
  std::int64_t total = 0;
  for (std::int64_t n : counts) total += n;
  const Tensor part = Tensor::empty(*host, {bytes}, DType::u8), all = Tensor::empty(*host, {total}, DType::u8);
  std::memcpy(part.raw(), mine.data(), mine.size());
  c.all_gather(all, part, counts).wait();
  std::vector<std::string> texts;
  const char* from = all.data<char>();
  for (std::int64_t n : counts) texts.emplace_back(from, from + n), from += n;
  return texts;
}

std::vector<std::vector<std::uint64_t>> gathered(Communicator& c, const std::vector<std::uint64_t>& mine) {
  std::vector<std::vector<std::uint64_t>> all;
  for (const std::string& bytes :
       gathered(c, std::string(reinterpret_cast<const char*>(mine.data()), mine.size() * 8))) {
    all.emplace_back(bytes.size() / 8);
    std::memcpy(all.back().data(), bytes.data(), bytes.size());
  }
  return all;
}

std::vector<std::string> same_everywhere(Communicator& c, const std::vector<std::string>& mine) {
  std::string entries;
  for (const std::string& entry : mine) entries += entry + '\0';
  std::istringstream first(gathered(c, entries).front());
  std::vector<std::string> all;
  for (std::string entry; std::getline(first, entry, '\0');) all.push_back(entry);
  return all;
}

void together(Communicator& c, const std::function<void()>& part) {
  std::string why;
  try {
    part();
  } catch (const std::bad_alloc&) {
    if (c.size() == 1) throw;
    why = "the memory of a host, or its limit (ulimit -v), is used up";
  } catch (const std::exception& e) {
    if (c.size() == 1) throw;
    why = e.what();
  }
  for (const std::string& failure : gathered(c, why))
    if (!failure.empty()) fail("{}", failure);
}

}  // namespace lact
