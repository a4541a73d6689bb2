#include "verify/step_record.hpp"

#include <cmath>

#include "files/hdf5.hpp"
#include "run/checkpoint.hpp"
#include "train/trainer.hpp"

namespace lact {

void record_gradients(const RunConfig& cfg, std::unique_ptr<Communicator> world, const std::string& path, DType t) {
  const auto data = cfg.task->open_data(world->rank() == 0);
  LoadedModel m(cfg, std::move(world));
  const auto seed = std::uint64_t(cfg.train.seed);
  if (t == DType::f64) m.store.lay_out(*m.device, *m.mesh, seed, t);
  const auto samples = data->samples(seed, *m.model, *m.mesh);
  Loader loader(*samples, cfg.task->data_threads(), *m.device);
  Reducer reducer(m.store, *m.mesh);
  Pipeline(*m.model, m.store, *m.mesh, m.model->stages(), cfg.train.activation_checkpointing)
      .run({nullptr, *m.device, *m.mesh, seed, 0, t}, cfg.train.accumulate,
           [&](std::int64_t micro) { return micro_batch(loader, cfg, *m.mesh, 0, micro); });
  reducer.finish();
  m.store.add_moments();
  for (auto& bucket : m.store.buckets()) copy_bytes(bucket.first, bucket.gradient.cut(0, bucket.shard));
  write_checkpoint(path, m.store, *m.mesh, {.config = to_yaml(Fields::of(m.config))});
}

std::vector<GradientDifference> gradient_differences(const RunConfig& cfg, const std::string& gradients,
                                                     const std::string& reference) {
  ParameterStore names;
  const auto model = cfg.task->make_model(names, CpMode::tokens);
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
