#include "run/global_numbers.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <sstream>

#include "base/check.hpp"
#include "files/checksum.hpp"
#include "parallel/together.hpp"

namespace lact {
namespace {

// One kind of flat numbers of a bucket: `flat` begins at `begin` of the bucket.
struct Kind {
  const char* prefix;
  Tensor flat;
  std::int64_t begin;
};
std::vector<Kind> kinds_of(const ParameterStore::Bucket& b) {
  std::vector<Kind> kinds{{"value/", b.value, 0}};
  if (b.first.defined()) kinds.push_back({"first/", b.first, b.shard.begin});
  if (b.second.defined()) kinds.push_back({"second/", b.second, b.shard.begin});
  return kinds;
}

Range common(Range a, Range b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

// f(first of the rank's numbers, its place in the whole, how many) for each stretch of [held) of the bucket that lies
// in parameter p and in one piece in the whole.
template <class F>
void each_stretch(const Parameter& p, Mesh& mesh, Range held, F&& f) {
  const int at = mesh.at(Axis::tp), tp = p.split ? mesh.grid().size[std::size_t(Axis::tp)] : 1;
  const std::int64_t piece = p.split ? p.split->size / tp * p.split->inner : count_of(p.local);
  const Range r = common(held, p.range);
  for (std::int64_t i = r.begin; i < r.end;) {
    const std::int64_t local = i - p.range.begin, n = std::min(r.end - i, piece - local % piece);
    f(i, whole_index(p, at, tp, local), n);
    i += n;
  }
}

void read_all(const FileReader& in, std::byte* to, std::int64_t bytes, std::int64_t begin) {
  check(in.read(to, bytes, begin) == bytes, "{}: is damaged: it ends at {} bytes", in.path(), in.size());
}

std::map<std::string, std::size_t> by_name(const std::vector<GlobalTensor>& tensors) {
  std::map<std::string, std::size_t> out;
  for (std::size_t i = 0; i < tensors.size(); ++i) out[tensors[i].name] = i;
  return out;
}

}  // namespace

std::vector<GlobalTensor> tensors_of_all_ranks(ParameterStore& store, Mesh& mesh) {
  std::ostringstream mine;  // a line each: name, type, sizes
  for (const Parameter& p : store.parameters()) {
    if (!p.here) continue;
    for (const Kind& k : kinds_of(store.buckets()[p.bucket])) {
      mine << k.prefix << p.name << ' ' << int(k.flat.dtype()) << ' ' << p.shape.size();
      for (std::int64_t d : p.shape) mine << ' ' << d;
      mine << '\n';
    }
  }
  std::map<std::string, GlobalTensor> all;  // of several ranks that have a tensor the first one counts
  const std::vector<std::string> texts = gathered(mesh.world(), mine.str());
  for (std::size_t r = 0; r < texts.size(); ++r) {
    std::istringstream in(texts[r]);
    GlobalTensor t;
    t.stage = mesh.grid().place(int(r))[std::size_t(Axis::pp)];
    int type = 0;
    std::size_t dims = 0;
    while (in >> t.name >> type >> dims) {
      t.type = DType(type);
      t.shape.resize(dims);
      for (std::int64_t& d : t.shape) in >> d;
      all.emplace(t.name, t);
    }
  }
  std::vector<GlobalTensor> out;
  for (auto& [name, t] : all) out.push_back(std::move(t));
  return out;
}

void write_owned(PlaceWriter& out, const std::vector<GlobalTensor>& tensors, ParameterStore& store, Mesh& mesh) {
  const auto number = by_name(tensors);
  for (std::size_t b = 0; b < store.buckets().size(); ++b) {
    const Range shard = store.buckets()[b].shard;
    for (const Kind& k : kinds_of(store.buckets()[b])) {
      const Tensor host = on_host(k.flat.cut(0, {shard.begin - k.begin, shard.end - k.begin}));
      const std::int64_t unit = size_of(host.dtype());
      for (const Parameter& p : store.parameters()) {
        if (!p.here || p.bucket != b) continue;
        const GlobalTensor& t = tensors[number.at(k.prefix + p.name)];
        if (t.stage != mesh.at(Axis::pp)) continue;
        each_stretch(p, mesh, shard, [&](std::int64_t i, std::int64_t whole, std::int64_t count) {
          out.write(host.raw() + (i - shard.begin) * unit, count * unit, t.place + whole * unit);
        });
      }
    }
  }
}

namespace {

std::uint64_t checksum(const FileReader& in, const GlobalTensor& t) {
  constexpr std::int64_t block = 4 << 20;
  Checksum sum;
  const std::int64_t bytes = count_of(t.shape) * size_of(t.type);
  std::vector<std::byte> buffer(std::size_t(std::min(block, bytes)));
  for (std::int64_t at = 0; at < bytes; at += block) {
    const std::int64_t some = std::min(block, bytes - at);
    read_all(in, buffer.data(), some, t.place + at);
    sum.add(buffer.data(), some);
  }
  return sum.sum();
}

}  // namespace

std::vector<std::uint64_t> checksums_of_share(const FileReader& in, const std::vector<GlobalTensor>& tensors, int rank,
                                              int ranks) {
  std::vector<std::uint64_t> sums(tensors.size());
  std::int64_t total = 0, before = 0;
  for (const GlobalTensor& t : tensors) total += count_of(t.shape) + 1;
  for (std::size_t n = 0; n < tensors.size(); ++n) {
    const std::int64_t size = count_of(tensors[n].shape) + 1;
    if ((before + size / 2) * ranks / total == rank) sums[n] = checksum(in, tensors[n]);  // where its middle falls
    before += size;
  }
  return sums;
}

std::vector<Tensor> read_held(const FileReader& in, const std::vector<GlobalTensor>& tensors, ParameterStore& store,
                              Mesh& mesh) {
  std::vector<Tensor> numbers;
  const auto number = by_name(tensors);
  for (std::size_t b = 0; b < store.buckets().size(); ++b)
    for (const Kind& k : kinds_of(store.buckets()[b])) {
      const Tensor host = Tensor::zeros(k.flat.device().host(), k.flat.shape(), k.flat.dtype());
      const std::int64_t unit = size_of(host.dtype());
      for (const Parameter& p : store.parameters()) {
        if (!p.here || p.bucket != b) continue;
        const GlobalTensor& t = tensors[number.at(k.prefix + p.name)];
        each_stretch(p, mesh, {k.begin, k.begin + host.count()},
                     [&](std::int64_t i, std::int64_t whole, std::int64_t n) {
                       read_all(in, host.raw() + (i - k.begin) * unit, n * unit, t.place + whole * unit);
                     });
      }
      numbers.push_back(host);
    }
  return numbers;
}

void put_held(ParameterStore& store, const std::vector<Tensor>& numbers) {
  std::size_t n = 0;
  for (auto& bucket : store.buckets())
    for (const Kind& k : kinds_of(bucket)) copy_bytes(k.flat, numbers[n++]);
}

}  // namespace lact
