// A checkpoint holds no layout: what any grid of the ranks wrote, any other reads; all ranks succeed or fail together.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/check.hpp"
#include "base/random.hpp"
#include "files/hdf5.hpp"
#include "files/whole_file.hpp"
#include "run/checkpoint.hpp"
#include "layers/parameters/scope.hpp"
#include "parallel/together.hpp"
#include "support/ranks.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

Device& device() {
  static const auto d = Device::open(Backend::cpu);
  return *d;
}

// The number at a place of a whole tensor, kind 0 value, 1 first, 2 second: a function of names and places only.
double number(const std::string& name, int kind, std::int64_t i) {
  return double(float(normal(random_key(std::uint64_t(kind), name), i)));
}

// A model of awkward sizes: cut over tp by rows, by columns, inside stacked parts, and not at all. Layers are dealt
// over the stages in turn, and `tied` lives on all of them.
class Fixture {
 public:
  explicit Fixture(const Grid& grid)
      : mesh(grid, with_transport(world(), Transport::best, "world")), store(grid.size[std::size_t(Axis::tp)]) {
    const Scope s(store);
    const int stage = mesh.at(Axis::pp), stages = grid.size[0];
    const Init none = constant(0);
    for (int layer = 0; layer < 6; ++layer) {
      const Scope l = s / ("blocks." + std::to_string(layer));
      l.parameter("norm", {7 + layer}, none);
      l.parameter("rows", {12, 5}, none, TpSplit{1, 12, 5});
      l.parameter("columns", {5, 12}, none, TpSplit{5, 12, 1});
      l.parameter("stacked", {3 * 24, 3}, none, TpSplit{3, 24, 3});
    }
    s.parameter("tied", {11, 3}, none);
    store.keep([&](const Parameter& p) { return p.name == "tied" || (p.name[7] - '0') % stages == stage; });
    store.lay_out(device(), mesh, 1);
    store.add_moments();
  }
  // Values and moments as number() says; f tells of each of this rank's numbers.
  template <class F>
  void each_number(F&& f) {
    for (const Parameter& p : store.parameters()) {
      if (!p.here) continue;
      auto& b = store.buckets()[p.bucket];
      for (std::int64_t i = p.range.begin; i < p.range.end; ++i) {
        const int tp = p.split ? store.tp() : 1;
        const std::int64_t whole = whole_index(p, mesh.at(Axis::tp), tp, i - p.range.begin);
        f(p.name, 0, whole, b.value.data<float>()[i]);
        if (i < b.shard.begin || i >= b.shard.end) continue;
        f(p.name, 1, whole, b.first.data<float>()[i - b.shard.begin]);
        f(p.name, 2, whole, b.second.data<float>()[i - b.shard.begin]);
      }
    }
  }
  void fill() {
    each_number([](const std::string& name, int kind, std::int64_t i, float& x) { x = float(number(name, kind, i)); });
  }
  std::int64_t wrong() {
    std::int64_t count = 0;
    each_number([&](const std::string& name, int kind, std::int64_t i, float& x) {
      count += x != float(number(name, kind, i));
    });
    return count;
  }
  Mesh mesh;
  ParameterStore store;
};

std::vector<Grid> grids() {  // all whose stages share the six layers evenly
  const int n = world().size();
  std::vector<Grid> all;
  for (int pp : {1, 2, 3})
    for (int tp : {1, 2, 3, 4, 6})
      for (int cp : {1, 2})
        if (n % (pp * tp * cp) == 0) all.push_back(Grid{{pp, n / (pp * tp * cp), cp, tp}});
  return all;
}

// One folder for all ranks.
class CheckpointLayouts : public testing::Test {
 protected:
  CheckpointLayouts() { path_ = gathered(world(), folder_.path()).front() + "/step.h5"; }
  ~CheckpointLayouts() override { gathered(world(), ""); }  // nobody removes it before all are done
  std::string sentence_of_all(const std::function<void()>& f) {
    const std::string mine = sentence_of(f);
    for (const std::string& other : gathered(world(), mine)) EXPECT_EQ(other, mine) << "all ranks say the same";
    return mine;
  }
  TemporaryFolder folder_;
  std::string path_;
  const TrainState state_{.step = 7, .sample = 56, .optimizer_steps = 6, .skipped_in_a_row = 1, .config = "a: 1\n"};
};

TEST_F(CheckpointLayouts, AnyGridReadsWhatAnyGridWrote) {
  const std::vector<Grid> all = grids();
  for (std::size_t w = 0; w < all.size(); ++w) {
    const Grid& written = all[w];
    Fixture a(written);
    a.fill();
    write_checkpoint(path_, a.store, a.mesh, state_);
    for (std::size_t apart : {std::size_t(0), std::size_t(1), all.size() / 2}) {
      const Grid& read = all[(w + apart) % all.size()];
      Fixture b(read);
      const TrainState s = read_checkpoint(path_, b.store, b.mesh);
      EXPECT_EQ(b.wrong(), 0) << "tp " << written.size[3] << " -> " << read.size[3];
      EXPECT_EQ(s.step, 7);
      EXPECT_EQ(s.sample, 56);
      EXPECT_EQ(s.config, "a: 1\n");
    }
  }
}

TEST_F(CheckpointLayouts, OneRankAndManyReadEachOthersFilesAndFindTheSameChecksums) {
  std::string alone = path_ + ".alone";
  if (world().rank() == 0) {
    ParameterStore store;
    Mesh mesh = Mesh::alone();
    for (int layer = 0; layer < 6; ++layer) {
      const Scope l = Scope(store) / ("blocks." + std::to_string(layer));
      l.parameter("norm", {7 + layer}, constant(0));
      l.parameter("rows", {12, 5}, constant(0));
      l.parameter("columns", {5, 12}, constant(0));
      l.parameter("stacked", {3 * 24, 3}, constant(0));
    }
    Scope(store).parameter("tied", {11, 3}, constant(0));
    store.lay_out(device(), mesh, 1);
    store.add_moments();
    for (const Parameter& p : store.parameters())
      for (std::int64_t i = 0; i < p.count(); ++i) {
        auto& b = store.buckets()[p.bucket];
        b.value.data<float>()[p.range.begin + i] = float(number(p.name, 0, i));
        b.first.data<float>()[p.range.begin + i] = float(number(p.name, 1, i));
        b.second.data<float>()[p.range.begin + i] = float(number(p.name, 2, i));
      }
    write_checkpoint(alone, store, mesh, state_);
  }
  gathered(world(), "");
  for (const Grid& g : grids()) {
    Fixture many(g);
    read_checkpoint(alone, many.store, many.mesh);
    EXPECT_EQ(many.wrong(), 0);
    write_checkpoint(path_, many.store, many.mesh, state_);
    const Hdf5File a = Hdf5File::open(alone), b = Hdf5File::open(path_);
    EXPECT_EQ(a.names(), b.names());
    for (const std::string& name : a.names()) {
      EXPECT_EQ(a.text("xxh3", name), b.text("xxh3", name)) << name;
      EXPECT_EQ(a.get(name, device()).to_doubles(), b.get(name, device()).to_doubles()) << name;
    }
    gathered(world(), "");  // before the file is replaced
  }
}

TEST_F(CheckpointLayouts, ADamagedFileIsRefusedByAllRanksBeforeAnythingChanges) {
  Fixture a(grids().back());
  a.fill();
  write_checkpoint(path_, a.store, a.mesh, state_);
  std::int64_t place = 0;
  for (const std::string name : {"value/blocks.3.columns", "second/tied", "first/blocks.0.stacked"}) {
    if (world().rank() == 0) {
      place = Hdf5File::open(path_).place(name);
      std::byte b{};
      FileReader(path_).read(&b, 1, place + 5);
      b ^= std::byte{64};
      PlaceWriter(path_, path_).write(&b, 1, place + 5);
    }
    gathered(world(), "");
    EXPECT_EQ(sentence_of_all([&] { read_checkpoint(path_, a.store, a.mesh); }),
              path_ + ": is damaged: the checksum of '" + name + "' does not match");
    EXPECT_EQ(a.wrong(), 0);
    gathered(world(), "");
    a.fill();
    write_checkpoint(path_, a.store, a.mesh, state_);
  }
  if (world().rank() == 0) std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  gathered(world(), "");
  EXPECT_TRUE(sentence_of_all([&] { read_checkpoint(path_, a.store, a.mesh); }).starts_with(path_));
}

TEST_F(CheckpointLayouts, WhatOneRankCannotDoAllRanksRefuse) {
  Fixture a(grids().front());
  const std::string nowhere = path_ + "/no/step.h5";
  EXPECT_TRUE(sentence_of_all([&] { write_checkpoint(nowhere, a.store, a.mesh, state_); }).starts_with(nowhere));
  EXPECT_TRUE(sentence_of_all([&] { read_checkpoint(nowhere, a.store, a.mesh); }).starts_with(nowhere));
  // Only one rank fails: the others would wait for it.
  const int last = world().size() - 1;
  auto part = [&] {
    if (world().rank() == last) fail("no luck");
  };
  EXPECT_EQ(sentence_of_all([&] { together(world(), part); }), "no luck");
  a.fill();
  write_checkpoint(path_, a.store, a.mesh, state_);
  gathered(world(), "");
  EXPECT_FALSE(std::filesystem::exists(path_ + ".partial"));
}

}  // namespace
}  // namespace lact
