#include "train/step_record.hpp"

#include <cmath>

#include "files/hdf5.hpp"
#include "io/checkpoint.hpp"
#include "kernels/pointwise.hpp"
#include "train/trainer.hpp"

namespace lact {

std::vector<double> record_steps(const RunConfig& cfg, std::unique_ptr<Communicator> world, std::int64_t steps,
                                 const std::string& gradients, DType t) {
  auto source = open_views(cfg.data);
  LoadedModel m(cfg, std::move(world));
  const auto seed = std::uint64_t(cfg.train.seed);
  if (t != DType::f32) m.store.lay_out(*m.device, *m.mesh, seed, t);
  Loader loader(*source, cfg.data, seed, *m.device, m.views_seen());
  auto draw = [&](std::int64_t step) {
    return [&, step](std::int64_t micro) { return micro_batch(loader, cfg, *m.mesh, step, micro); };
  };
  {
    Reducer reducer(m.store, *m.mesh);
    Pipeline(m.model, m.store, *m.mesh, m.stages, cfg.train.activation_checkpointing)
        .run({nullptr, *m.device, *m.mesh, seed, 0, t}, cfg.train.accumulate, draw(0));
    reducer.finish();
  }
  m.store.add_moments();
  for (auto& b : m.store.buckets()) copy_bytes(b.first, b.gradient.cut(0, b.shard));
  write_checkpoint(gradients, m.store, *m.mesh, {.config = to_yaml(Fields::of(m.config))});
  for (auto& b : m.store.buckets()) kernels::fill(b.first, 0);
  if (t != DType::f32) return {};
  std::vector<double> losses;
  Learner learner(m.model, m.store, *m.mesh, *m.device, cfg.train, seed, m.stages);
  for (std::int64_t n = 0; n < steps; ++n) losses.push_back(learner.step(n, cfg.train.accumulate, draw(n)).loss);
  m.store.settle();
  return losses;
}

std::vector<GradientDifference> gradient_differences(const RunConfig& cfg, const std::string& gradients,
                                                     const std::string& reference) {
  ParameterStore names;
  ViewSynthesis model(names, cfg.model);
  auto device = Device::open(Backend::cpu);
  Hdf5File got = Hdf5File::open(gradients), want = Hdf5File::open(reference);
  std::vector<GradientDifference> out;
  for (const Parameter& p : names.parameters()) {
    const auto a = got.get("first/" + p.name, *device).to_doubles(),
               b = want.get("first/" + p.name, *device).to_doubles();
    double difference = 0, largest = 0;
    for (std::size_t i = 0; i < b.size(); ++i) {
      const double d = std::abs(a[i] - b[i]);
      difference = std::isfinite(d) ? std::max(difference, d) : d;
      largest = std::max(largest, std::abs(b[i]));
    }
    out.push_back({p.name, largest > 0 ? difference / largest : difference});
  }
  return out;
}

}  // namespace lact
