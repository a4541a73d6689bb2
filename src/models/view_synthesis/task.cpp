#include "models/view_synthesis/task.hpp"

#include "base/random.hpp"
#include "models/view_synthesis/dataset.hpp"
#include "models/view_synthesis/metrics.hpp"

namespace lact {
namespace {

// Room for so many samples.
ViewBatch room(Device& d, const DataConfig& data, std::int64_t samples) {
  ViewBatch b;
  b.input_views = data.num_input_views, b.target_views = data.num_target_views;
  const std::int64_t views = b.input_views + b.target_views;
  b.images = Tensor::empty(d, {samples, views, 3, data.height(), data.width()});
  b.intrinsics = Tensor::empty(d, {samples, views, 4});
  b.poses = Tensor::empty(d, {samples, views, 4, 4});
  b.valid = 1;
  return b;
}

// Numbers made of uniform ones in [0, 1), a function of the name.
template <class F>
void fill_with(const Tensor& t, const char* name, const F& number) {
  std::vector<float> v(std::size_t(t.count()));
  const std::uint64_t key = random_key(1, name);
#pragma omp parallel for
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = float(number(std::int64_t(i), uniform(key, std::int64_t(i))));
  t.device().copy_in(t.raw(), v.data(), v.size() * sizeof(float));
}

}  // namespace

void ViewSynthesisTask::check_values() const {
  check_data(data);
  model.check_values(data.height(), data.width());
}

void ViewSynthesisTask::complete() {
  if (model.block_config.empty()) model.block_config = ViewSynthesisConfig::default_blocks();
}

std::string ViewSynthesisTask::help_of_lists() const {
  BlockConfig block;
  Fields inner("model.block_config.0.");
  block.fields(inner);
  return describe(inner);
}

bool ViewSynthesisTask::may_change(const std::string& key) const {
  return key == "data.path" || key == "data.threads" || key == "data.damaged" || key == "data.cache_mb" ||
         key == "data.follow_links";
}

std::vector<std::string> ViewSynthesisTask::keys_of_scaled_samples(std::int64_t times, std::int64_t parts) const {
  if (data.num_input_views * times % parts != 0 || data.num_target_views * times % parts != 0) return {};
  auto key = [&](const char* name, std::int64_t value) {
    return std::string("data.") + name + "=" + std::to_string(value * times / parts);
  };
  std::vector<std::string> keys{key("num_input_views", data.num_input_views),
                                key("num_target_views", data.num_target_views)};
  if (parts == 1) keys.push_back(key("num_all_views", data.num_all_views));  // fewer views may be drawn from as many
  return keys;
}

Costs ViewSynthesisTask::costs(std::int64_t samples) const {
  const std::int64_t patch = model.patch_size * model.patch_size;
  return costs_of(model, {samples, data.num_input_views, data.num_target_views, data.height() * data.width() / patch});
}

Batch ViewSynthesisTask::blank_batch(Device& d, std::int64_t samples) const { return room(d, data, samples); }

Batch ViewSynthesisTask::noise_batch(Device& d, std::int64_t samples) const {
  const std::int64_t h = data.height(), w = data.width();
  ViewBatch b = room(d, data, samples);
  fill_with(b.images, "images", [](std::int64_t, double u) { return u; });
  fill_with(b.intrinsics, "intrinsics", [&](std::int64_t i, double) { return i % 4 < 2 ? double(w) : double(w) / 2; });
  fill_with(b.poses, "poses", [](std::int64_t i, double u) {  // upright, somewhere
    const std::int64_t row = i % 16 / 4, column = i % 4;
    return row == column ? 1 : (column == 3 && row < 3 ? u : 0);
  });
  b.valid = double(samples * data.num_target_views * 3 * h * w);
  return b;
}

std::string ViewSynthesisTask::memory_of_samples(std::int64_t samples) const {
  const double numbers =
      double(samples) * double((data.num_input_views + data.num_target_views) * 3 * data.height() * data.width());
  return sentence("{:.3g} GB of pictures, and data.cache_mb={} keeps more", numbers * 4e-9, data.cache_mb);
}

std::unique_ptr<Model> ViewSynthesisTask::make_model(ParameterStore& store, CpMode mode) const {
  return std::make_unique<ViewSynthesis>(store, model, mode);
}

std::unique_ptr<Dataset> ViewSynthesisTask::open_data(bool looks) const {
  return std::make_unique<ViewDataset>(data, open_views(data, looks));
}

std::unique_ptr<Dataset> ViewSynthesisTask::share_data(const Dataset& open) const {
  return std::make_unique<ViewDataset>(data, dynamic_cast<const ViewDataset&>(open).source());
}

NamedValues ViewSynthesisTask::values_of_loss(double loss) const { return {{"psnr", psnr(loss)}}; }

std::string ViewSynthesisTask::text_of_loss(double loss) const { return sentence("PSNR {:.1f} dB", psnr(loss)); }

}  // namespace lact
