// The communicator of one rank.
#include <gtest/gtest.h>

#include "base/check.hpp"
#include "parallel/communicator.hpp"

namespace lact {
namespace {

TEST(SelfCommunicator, CollectivesOfOneRankAreCopies) {
  const auto device = Device::open(Backend::cpu);
  const auto self = self_communicator();
  auto numbers = [&](std::vector<float> v) {
    return Tensor::of(*device, {std::int64_t(v.size())}, std::span<const float>(v));
  };
  const Tensor x = numbers({1, 2, 3});
  self->all_reduce(x).wait();
  self->reduce_to(x, 0).wait();
  self->broadcast(x, 0).wait();
  EXPECT_EQ(x.to_floats(), (std::vector<float>{1, 2, 3}));
  Tensor y = numbers({0, 0, 0});
  self->all_gather(y, x).wait();
  EXPECT_EQ(y.to_floats(), x.to_floats());
  self->reduce_scatter(x, y).wait();
  self->all_to_all(x, x).wait();
  EXPECT_EQ(x.to_floats(), (std::vector<float>{1, 2, 3}));
  EXPECT_THROW(self->broadcast(x, 1), Error);
  EXPECT_THROW(self->all_gather(y, numbers({1, 2})), Error);
  EXPECT_EQ(self->split(7, 3, "part")->size(), 1);
}

TEST(SelfCommunicator, MessagesToOneselfArriveInOrder) {
  const auto device = Device::open(Backend::cpu);
  const auto self = self_communicator();
  auto number = [&](float v) { return Tensor::of(*device, {1}, std::vector<float>{v}); };
  const Tensor first = number(1), second = number(2), a = number(0), b = number(0);
  const std::vector<Message> messages{{a, 0, false}, {first, 0, true}, {second, 0, true}, {b, 0, false}};
  self->exchange(messages).wait();
  EXPECT_EQ(a.item(), 1);
  EXPECT_EQ(b.item(), 2);
  const std::vector<Message> lost{{first, 0, true}}, stranger{{first, 1, true}};
  EXPECT_THROW(self->exchange(lost), Error);
  EXPECT_THROW(self->exchange(stranger), Error);
}

}  // namespace
}  // namespace lact
