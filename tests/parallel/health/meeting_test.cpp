// Where ranks meet, and the secret by which they know each other.
#include <gtest/gtest.h>

#include "parallel/health/meeting.hpp"

namespace lact {
namespace {

TEST(Meeting, SecretsDifferAndAreComparedWhole) {
  const Secret a = new_secret();
  EXPECT_TRUE(same(a, a));
  EXPECT_FALSE(same(a, new_secret()));
  for (std::size_t i : {std::size_t(0), a.size() - 1}) {
    Secret other = a;
    other[i] ^= std::byte(1);
    EXPECT_FALSE(same(a, other));
  }
}

TEST(Meeting, ListensOnTheAddressesAskedForAlone) {
  const Meeting m = Meeting::open({loopback()});
  ASSERT_EQ(m.doors.size(), 1u);
  const Address door = m.invitation.doors[0];
  EXPECT_GE(door.port, 20000);
  EXPECT_LT(door.port, 32000);
  EXPECT_TRUE(Socket::connect(door, 1).open());
  for (Ip other : addresses_of_this_host().ips) {
    if (other == 0) break;
    EXPECT_FALSE(Socket::connect({other, door.port}, 1).open());
  }
  EXPECT_EQ(m.invitation.doors[1].port, 0);
}

TEST(Meeting, OtherHostsAreReachedFromTheInterfaceThatTheRouteNames) {
  EXPECT_EQ(Socket::ip_towards(loopback()), loopback());
  EXPECT_EQ(addresses_towards({}, ""), std::vector<Ip>());
  EXPECT_EQ(addresses_towards({addresses_of_this_host()}, ""), std::vector<Ip>()) << "its own bridges lead nowhere";
  EXPECT_EQ(addresses_towards({}, "192.0.2.1"), std::vector<Ip>());
}

}  // namespace
}  // namespace lact
