// Memory that is taken, given back and taken again.
#include <gtest/gtest.h>

#include "tensor/pool.hpp"

namespace lact {
namespace {

class Pools : public testing::Test {
 protected:
  std::byte room[4] = {};
  std::size_t made = 0;  // of at most 4 blocks of one byte
  Pool pool{[this](std::size_t) { return made < 4 ? room + made++ : nullptr; }, [this](std::byte*) { --made; }};
};

TEST_F(Pools, BlocksApartGoToTakersApart) {
  std::byte* a = pool.take(1, Pool::apart);
  pool.give(a, 1, Pool::apart);
  EXPECT_NE(pool.take(1), a);
  EXPECT_EQ(pool.take(1, Pool::apart), a);
  EXPECT_EQ(pool.use().now, 2u);
}

TEST_F(Pools, HeldWorkCountsWithTheMostThatItTookAtATimeAndKeepsItsBlocks) {
  auto take_and_give = [this] {
    std::byte *a = pool.take(1, Pool::apart), *b = pool.take(1, Pool::apart);
    pool.give(a, 1, Pool::apart), pool.give(b, 1, Pool::apart);
  };
  take_and_give();
  EXPECT_EQ(pool.use().now, 0u);
  pool.freeze();
  EXPECT_EQ(pool.take(1), nullptr) << "nothing new while it is noted";
  take_and_give();
  const int work = pool.hold();
  EXPECT_EQ(pool.use().now, 2u);
  pool.reset_peak();
  take_and_give();
  EXPECT_EQ(pool.use().peak, 2u) << "the same memory";
  pool.take(1), pool.take(1);
  EXPECT_EQ(pool.use().peak, 4u);
  EXPECT_EQ(pool.take(1), nullptr);
  EXPECT_EQ(pool.releases(), 0);
  EXPECT_TRUE(pool.holds(work));
  EXPECT_TRUE(pool.let_go_of_all());
  EXPECT_FALSE(pool.holds(work));
  EXPECT_EQ(pool.use().now, 2u);
  EXPECT_NE(pool.take(1), nullptr) << "what was held is given back to the system";
  EXPECT_EQ(pool.releases(), 1);
  EXPECT_FALSE(pool.let_go_of_all());
  pool.let_go(work);
}

}  // namespace
}  // namespace lact
