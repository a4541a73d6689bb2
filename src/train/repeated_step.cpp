#include "train/repeated_step.hpp"

#include "base/check.hpp"
#include "base/log.hpp"

namespace lact {
namespace {

constexpr int steps_before = 2;  // fetch the memory, and choose the algorithms of products

}  // namespace

void RepeatedStep::receive(std::int64_t micro_batches, const Pipeline::Draw& draw, int kind) {
  if (kind != kind_ || std::ssize(batches_) != micro_batches) forget();
  kind_ = kind;
  batches_.resize(std::size_t(micro_batches));
  for (std::int64_t micro = 0; micro < micro_batches; ++micro) {
    const Batch drawn = draw(micro);
    Batch& mine = batches_[std::size_t(micro)];
    if (!alike(drawn, mine)) {
      forget();
      mine = like(drawn);
    }
    copy_tensors(mine, drawn);
  }
}

void RepeatedStep::record(const std::function<void()>& ask) {
  // Recording computes nothing. If the step itself is at fault, asking for it the usual way throws the same error next.
  try {
    graph_ = device_.record(ask);
  } catch (const std::exception& e) {
    possible_ = false;
    log::warning("steps are not repeated as a CUDA graph: {}", e.what());
  }
}

Pipeline::Totals RepeatedStep::take(std::int64_t micro_batches, const Pipeline::Draw& draw, int kind, const Ask& ask) {
  receive(micro_batches, draw, kind);
  auto whole = [&] { totals_ = ask([this](std::int64_t micro) { return batches_[std::size_t(micro)]; }); };
  if (graph_ == nullptr && possible_ && asked_ >= steps_before) record(whole);
  replayed_ = graph_ != nullptr && graph_->replay();
  if (replayed_) return totals_;
  if (graph_ != nullptr) forget();  // its memory went to others
  device_.apart(whole);
  ++asked_;
  return totals_;
}

}  // namespace lact
