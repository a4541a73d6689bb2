// Names of parameters.
#include <gtest/gtest.h>

#include "layers/parameters/scope.hpp"
#include "support/temporary_folder.hpp"

namespace lact {
namespace {

TEST(Scope, NamesAreDotted) {
  ParameterStore store;
  const Scope block = Scope(store) / "blocks" / "3";
  EXPECT_EQ(block.parameter("w0", {2, 3}, constant(0)).name, "blocks.3.w0");
  EXPECT_EQ((block / "f").parameter("weight", {2}, constant(0)).name, "blocks.3.f.weight");
  EXPECT_EQ(Scope(store).parameter("top", {2}, constant(0)).name, "top");
  EXPECT_EQ(store.count(), 6 + 2 + 2);
  EXPECT_EQ(store.find("blocks.3.w0")->shape, (Shape{2, 3}));
  EXPECT_EQ(store.find("blocks.3"), nullptr);
  EXPECT_NE(sentence_of([&] { block.parameter("w0", {1}, constant(0)); }).find("'blocks.3.w0'"), std::string::npos);
}

TEST(Scope, MayKeepItsParametersFromDecay) {
  ParameterStore store;
  const Scope s = Scope(store) / "layer";
  EXPECT_TRUE(s.parameter("weight", {2, 3}, constant(0)).decays());
  EXPECT_FALSE(s.parameter("norm", {3}, constant(0)).decays()) << "one dim is a norm or a bias";
  const Parameter& p = (s.without_decay() / "a").parameter("scale", {2, 3}, constant(0));
  EXPECT_FALSE(p.decays());
  EXPECT_EQ(p.name, "layer.a.scale");
}

}  // namespace
}  // namespace lact
