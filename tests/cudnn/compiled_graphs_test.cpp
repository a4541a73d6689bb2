// The graphs that the program describes, compiled by the real cuDNN for GPUs that need not be there: each is taken, and
// how much workspace it asks for stands in the log.
#include <cudnn_frontend.h>
#include <gtest/gtest.h>

#include <iostream>

#include "base/check.hpp"
#include "kernels/cuda/cudnn_graphs.hpp"
#include "kernels/cudnn.hpp"
#include "kernels/gated_products.hpp"

namespace lact::kernels::cuda::cudnn {
namespace {

struct Gpu {
  const char* name;
  int version;             // of its instructions
  const char* properties;  // as cuDNN writes them
};
const Gpu gpus[] = {
    {"H100", 90,
     R"({"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,)"
     R"("multiProcessorCount":132,"warpSize":32,"maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":232448,)"
     R"("reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,)"
     R"("maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"smClockRateKHz":1980000,)"
     R"("memClockRateKHz":2619000,"l2CacheSize":52428800,"deviceName":"NVIDIA H100 80GB HBM3","deviceVer":900,)"
     R"("driverVer":13000,"cudaDeviceId":0,"totalGlobalMem":85000000000})"},
    {"A100", 80,
     R"({"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,)"
     R"("multiProcessorCount":108,"warpSize":32,"maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":166912,)"
     R"("reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,)"
     R"("maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"smClockRateKHz":1410000,)"
     R"("memClockRateKHz":1593000,"l2CacheSize":41943040,"deviceName":"NVIDIA A100-SXM4-80GB","deviceVer":800,)"
     R"("driverVer":13000,"cudaDeviceId":0,"totalGlobalMem":85000000000})"}};

void expect_compiles(const Asked& asked, const std::string& what) {
  for (const Gpu& gpu : gpus) {
    const Graph graph = described(asked, gpu.version);
    const std::string text = gpu.properties;
    const auto properties = std::make_shared<cudnn_frontend::DeviceProperties>();
    ASSERT_TRUE(properties->deserialize(std::vector<std::uint8_t>(text.begin(), text.end())).is_good());
    graph->set_device_properties(properties);
    const std::string against = compile(*graph, nullptr);
    EXPECT_EQ(against, "") << what << " on " << gpu.name;
    if (!against.empty()) continue;
    std::string plan;
    EXPECT_TRUE(graph->get_plan_name(plan).is_good());
    std::cout << sentence("{}: {}, plan {}, {} KB of workspace\n", gpu.name, what, plan,
                          graph->get_workspace_size() >> 10);
  }
}

Shape packed(const Shape& s) {
  Shape steps(s.size(), 1);
  for (std::size_t d = s.size() - 1; d > 0; --d) steps[d - 1] = steps[d] * s[d];
  return steps;
}
View dense(const Shape& s, DType t = DType::bf16) { return View(s, packed(s), t); }
View turned(const Shape& s) {  // stored with its last two dims exchanged
  Shape stored = s;
  std::swap(stored.end()[-1], stored.end()[-2]);
  Shape steps = packed(stored);
  std::swap(steps.end()[-1], steps.end()[-2]);
  return View(s, steps);
}

// Queries, keys and values beside each other in rows of 3 x heads x d, outputs in rows of heads x d.
struct AttentionSizes {
  std::int64_t items, heads, queries, keys, d;
};
void expect_attention(const AttentionSizes& s, Mask mask) {
  const std::int64_t width = s.heads * s.d;
  auto projected = [&](std::int64_t rows) {
    return View({s.items, s.heads, rows, s.d}, {rows * 3 * width, s.d, 3 * width, 1});
  };
  auto heads = [&](std::int64_t rows) { return View({s.items, s.heads, rows, s.d}, {rows * width, s.d, width, 1}); };
  const View q = projected(s.queries), k = projected(s.keys), v = projected(s.keys), o = heads(s.queries),
             lse = dense({s.items, s.heads, s.queries}, DType::f32);
  const std::string what = sentence("{} heads of {}, {} queries, {} keys, causal {}, window {}", s.items * s.heads, s.d,
                                    s.queries, s.keys, int(mask.causal), mask.window);
  expect_compiles({&kernels::attention, {o, lse, q, k, v}, 0.125, mask}, "attention, " + what);
  expect_compiles({&kernels::attention_grad, {q, k, v, o, q, k, v, o, lse}, 0.125, mask}, "its gradient, " + what);
}

TEST(CompiledGraphs, AttentionOfTheModels) {
  for (std::int64_t d : {64, 128})
    for (std::int64_t tokens : {1024, 1001}) expect_attention({16, 768 / d, tokens, tokens, d}, {});
  expect_attention({1, 12, 4096, 4096, 64}, {});
  expect_attention({2, 3, 1, 33, 64}, {});
  expect_attention({2, 3, 33, 1, 64}, {});
}

TEST(CompiledGraphs, AttentionOfOtherWidthsAndMasks) {
  for (std::int64_t d : {8, 40, 80, 128}) expect_attention({2, 3, 200, 330, d}, {});
  expect_attention({2, 12, 1000, 1000, 64}, {true, 0});
  expect_attention({2, 12, 1000, 1000, 64}, {true, 256});
  expect_attention({2, 12, 300, 1000, 64}, {true, 50});
  expect_attention({2, 12, 300, 100, 64}, {true, 0});
}

TEST(CompiledGraphs, GatedProductsOfTheModels) {
  for (std::int64_t tokens : {16384, 65536, 16385})
    for (std::int64_t hidden : {1536, 3072}) {
      const std::int64_t width = 768;
      const View x = dense({1, tokens, width}), h = dense({1, tokens, hidden}), in = dense({1, width, hidden}),
                 out = dense({1, hidden, width}), rate = dense({1, tokens}, DType::f32);
      const std::string what = sentence(" of {} tokens, {} to {}", tokens, width, hidden);
      expect_compiles({&kernels::swiglu_products, {h, h, h, x, in, in}}, "swiglu_products" + what);
      expect_compiles({&kernels::swiglu_products, {h, h, h, x, turned({1, width, hidden}), in}},
                      "the same, turned" + what);
      expect_compiles({&kernels::swiglu_grad_product, {h, h, x, out, h, h}}, "swiglu_grad_product" + what);
      expect_compiles({&kernels::rated_gates_product, {h, h, h, h, x, out, h, h, rate, rate, rate}},
                      "rated_gates_product" + what);
    }
}

TEST(CompiledGraphs, GatedProductsOfManyHeads) {
  const std::int64_t items = 24, tokens = 4097, width = 64, hidden = 128;
  // heads beside each other, as a projection leaves them
  const View x({items, tokens, width}, {width, items * width, 1}),
      h = dense({items, tokens, hidden}), in = dense({items, width, hidden}), out = dense({items, hidden, width}),
      rate = dense({items, tokens}, DType::f32);
  expect_compiles({&kernels::swiglu_products, {h, h, h, x, in, in}}, "swiglu_products of heads");
  expect_compiles({&kernels::swiglu_grad_product, {h, h, x, out, h, h}}, "swiglu_grad_product of heads");
  expect_compiles({&kernels::rated_gates_product, {h, h, h, h, x, out, h, h, rate, rate, rate}},
                  "rated_gates_product of heads");
}

TEST(CompiledGraphs, GeluOfTheModels) {
  for (std::int64_t tokens : {16384, 65536, 1001}) {
    const View x = dense({tokens, 768}), u = dense({tokens, 3072});
    expect_compiles({&kernels::gelu_product, {u, u, x, dense({3072, 768})}},
                    sentence("gelu_product of {} tokens", tokens));
    expect_compiles({&kernels::gelu_grad_product, {u, x, dense({768, 3072}), u}},
                    sentence("gelu_grad_product of {} tokens", tokens));
  }
}

}  // namespace
}  // namespace lact::kernels::cuda::cudnn

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (const std::string library = lact::kernels::cudnn_library(); !library.starts_with("cuDNN 9")) {
    std::cout << "not run: " << library << "\n";
    return 77;  // counts as not run
  }
  return RUN_ALL_TESTS();
}
