// Losses in f64.
#include "layers/losses.hpp"
#include "support/gradcheck.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TEST(Losses, CrossEntropyOfRowsThatCount) {
  const std::vector<std::int32_t> wanted{2, -100, 0, 4, -1};
  const Tensor targets = Tensor::of(tested(), {5}, std::span<const std::int32_t>(wanted)),
               x = random_tensor({5, 7}, "logits");
  for (double z : {0.0, 0.1}) {
    const Function f = [&](std::span<const Var> in) {
      return std::vector<Var>{cross_entropy(in[0], targets, 3, z).loss};
    };
    double want = 0;
    for (std::size_t r : {0u, 2u, 3u}) {
      double total = 0;
      for (std::size_t i = 0; i < 7; ++i) total += std::exp(x.to_doubles()[r * 7 + i]);
      want +=
          (std::log(total) - x.to_doubles()[r * 7 + std::size_t(wanted[r])] + z * std::log(total) * std::log(total)) /
          3;
    }
    EXPECT_NEAR(f(constants({x}))[0].value().item(), want, 1e-14);
    expect_gradient(f, {x}, {ones_like(f(constants({x}))[0]).value()}, "cross entropy");
    expect_second_gradient(f, {x}, {ones_like(f(constants({x}))[0]).value()}, "cross entropy");
  }
  EXPECT_THROW(cross_entropy(x, Tensor::of(tested(), {4}, std::span<const std::int32_t>(wanted).subspan(0, 4)), 3),
               Error);
  const std::vector<std::int32_t> beyond{7, 0, 0, 0, 0};
  if (!on_cpu()) {
    const Tensor index = Tensor::of(tested(), {5}, std::span<const std::int32_t>(beyond));
    EXPECT_TRUE(std::isnan(cross_entropy(x, index, 5).loss.value().item()));
    return;
  }
  EXPECT_NE(sentence_of([&] {
              cross_entropy(x, Tensor::of(tested(), {5}, std::span<const std::int32_t>(beyond)), 5);
            }).find("target 7"),
            std::string::npos);
}

}  // namespace
}  // namespace lact
