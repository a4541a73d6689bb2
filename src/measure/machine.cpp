#include "measure/machine.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "files/config_file.hpp"

namespace lact {

void Machine::Link::fields(Fields& f) {
  f("latency_us", latency_us, "microseconds of one step from rank to rank");
  f("gb_per_second", gb_per_second, "10^9 bytes per second into or out of a rank while all ranks communicate");
  f("beside_compute", beside_compute, "whether a rank computes while numbers travel");
}

void Machine::fields(Fields& f) {
  f("name", name, "what the machine is");
  f("nodes", nodes, "hosts");
  f("ranks_per_node", ranks_per_node, "ranks of a host: one per GPU, or one per core");
  f("memory_gb", memory_gb, "10^9 bytes of memory for each rank");
  f("product_gflops", product_gflops, "10^9 floating-point operations per second of matrix products, per rank");
  f("bf16_product_gflops", bf16_product_gflops, "the same of bf16 operands; 0: as of f32");
  f("attention_gflops", attention_gflops, "the same in attention");
  f("memory_gb_per_second", memory_gb_per_second, "10^9 bytes per second that element-wise kernels move, per rank");
  f("call_us", call_us, "microseconds that any kernel takes besides its work");
  f("wide", wide, "whether a rank is only filled by a batch of small matrices, as a GPU is");
  f.section("inside", inside);
  f.section("across", across);
}

Machine Machine::load(const std::string& path) {
  Machine m;
  check(read_config_file(Fields::of(m), path), "{}: is empty, which is no machine", path);
  check(m.nodes > 0 && m.ranks_per_node > 0 && m.nodes * m.ranks_per_node <= 32768,
        "{}: {} nodes of {} ranks are no machine of 1 to 32768 ranks", path, m.nodes, m.ranks_per_node);
  check(
      m.memory_gb > 0 && m.product_gflops > 0 && m.attention_gflops > 0 && m.memory_gb_per_second > 0 && m.call_us >= 0,
      "{}: memory_gb, product_gflops, attention_gflops and memory_gb_per_second must be positive", path);
  for (const Link* l : {&m.inside, &m.across})
    check(l->latency_us >= 0 && (l->gb_per_second > 0 || (l == &m.across && m.nodes == 1)),
          "{}: a link needs a positive gb_per_second and a latency_us that is not negative", path);
  return m;
}

PaperRates Machine::rates() const {
  return {.product = product_gflops * 1e9,
          .bf16_product = (bf16_product_gflops > 0 ? bf16_product_gflops : product_gflops) * 1e9,
          .attention = attention_gflops * 1e9,
          .memory = memory_gb_per_second * 1e9,
          .call = call_us * 1e-6,
          .wide = wide};
}

PaperLink Machine::link(const std::vector<int>& members) const {
  auto host = [this](int rank) { return rank / ranks_per_node; };
  bool together = std::ranges::all_of(members, [&](int r) { return host(r) == host(members.front()); });
  const Link& l = together ? inside : across;
  return {l.latency_us * 1e-6, l.gb_per_second * 1e9, l.beside_compute};
}

}  // namespace lact
