#include "data/sample.hpp"

#include "base/check.hpp"

namespace lact {
namespace {

DType type_of(const HostTensor& t) {
  return std::holds_alternative<std::vector<float>>(t.numbers) ? DType::f32 : DType::i32;
}

struct HostBytes {
  const void* begin = nullptr;
  std::size_t size = 0;
};
HostBytes bytes_of(const HostTensor& t) {
  return std::visit([](const auto& x) { return HostBytes{x.data(), x.size() * sizeof(x[0])}; }, t.numbers);
}

}  // namespace

std::int64_t Sample::bytes() const {
  std::size_t sum = 0;
  for (const HostTensor& t : tensors) sum += bytes_of(t).size;
  return std::int64_t(sum);
}

Batch batch_of(const std::vector<Sample>& samples, Device& device, Stream* in) {
  check(!samples.empty(), "no samples are no batch");
  const Sample& first = samples[0];
  Batch batch;
  batch.sizes = first.sizes;
  for (const HostTensor& t : first.tensors) {
    Shape shape = t.shape;
    shape.insert(shape.begin(), std::int64_t(samples.size()));
    batch.tensors[t.name] = Tensor::empty(device, shape, type_of(t));
  }
  if (in != nullptr) in->wait(device.compute().mark());  // who used this memory before comes first
  for (std::size_t i = 0; i < samples.size(); ++i) {
    check(samples[i].sizes == first.sizes && samples[i].tensors.size() == first.tensors.size(),
          "samples of one batch differ in their sizes");
    for (const HostTensor& t : samples[i].tensors) {
      const Tensor place = batch.tensor(t.name).select(0, std::int64_t(i));
      const HostBytes bytes = bytes_of(t);
      check(place.shape() == t.shape && place.dtype() == type_of(t) &&
                bytes.size == std::size_t(place.count() * size_of(place.dtype())),
            "'{}' of a sample has {} bytes in the shape {}, where others of the batch have {}", t.name, bytes.size,
            text_of(t.shape), text_of(place.shape()));
      device.copy_in(place.raw(), bytes.begin, bytes.size, in);
    }
  }
  return batch;
}

}  // namespace lact
