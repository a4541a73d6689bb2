// The training step (declared in learner.hpp).
#include <cmath>
#include <utility>

#include "base/check.hpp"
#include "kernels/pointwise.hpp"
#include "train/learner.hpp"

namespace lact {

// Every rank of the mesh computes the same list: the passes, the sums and the update's gathering of new weights call
// collectives, so all ranks must come here.
Pipeline::Totals Learner::compute(std::int64_t n, std::int64_t micro_batches, const Draw& draw,
                                  const WriteWishes& write) {
  reducer_.restart();
  Pipeline::Totals totals = forward_and_backward(n, micro_batches, draw);
  const Spanning span(spans_, "optimizer", "optimizer");
  reducer_.finish();  // the gradients' sums over the ranks, which began during the backward pass
  sum_over_ranks(std::exchange(totals.loss, {}), write);  // its memory serves the optimizer
  clip_or_skip_and_update(n);
  return totals;
}

// Draws the micro-batches and runs them through the stages of the pipeline.
Pipeline::Totals Learner::forward_and_backward(std::int64_t n, std::int64_t micro_batches, const Draw& draw) {
  return pipeline_.run({nullptr, device_, mesh_, seed_, n, cfg_.activations(), spans_}, micro_batches, draw);
}

// Loss, gradient norm and wishes: every rank judges the same sums, so all of them step or none does.
void Learner::sum_over_ranks(Tensor loss, const WriteWishes& write) {
  numbers_.clear_loss_and_norm();
  kernels::add_to(numbers_.loss(), std::move(loss));
  add_squared_gradients(numbers_.squared_norm(), store_);
  write();  // as late as possible, so that a signal during the step counts
  mesh_.world().all_reduce(numbers_.summed()).wait();
}

// The optimizer reads sums and rate from the device's memory and leaves its verdict there.
void Learner::clip_or_skip_and_update(std::int64_t n) {
  const bool bounded = n > cfg_.free_steps;
  optimizer_.step(numbers_.rate(), numbers_.all(),
                  {.clip = bounded ? cfg_.grad_clip : 0, .skip = bounded ? cfg_.skip_norm : 0});
}

void Learner::begin(std::int64_t n, std::int64_t micro_batches, const Draw& draw,
                    const std::function<Wishes()>& wishes) {
  StepReport r;
  r.step = n;
  r.rate = cfg_.rate_at(n);
  const WriteWishes write = [&] { numbers_.write(wishes ? wishes() : Wishes(), r.rate); };
  Pipeline::Totals totals;
  const bool spans_are_recorded = spans_ != shown_.get();
  if (repeated_ && !spans_are_recorded) {
    write();  // before a graph starts, which reads it from the device's memory
    totals = repeated_->take(micro_batches, draw, n > cfg_.free_steps,
                             [&](const Draw& from) { return compute(n, micro_batches, from, [] {}); });
  } else {
    if (repeated_) repeated_->forget();  // its memory serves this step
    totals = compute(n, micro_batches, draw, write);
  }
  count_tokens(r, totals);
  const Tensor& verdict = optimizer_.verdict();
  begun_.push_back({std::move(r), numbers_.begin_read(),
                    device_.begin_copy_out(verdict.raw(), std::size_t(verdict.count()) * sizeof(double))});
}

// Every rank counts whole samples, whatever part of their tokens it holds; ranks of dp hold other samples.
void Learner::count_tokens(StepReport& r, const Pipeline::Totals& of_this_rank) const {
  const int parts = mesh_.grid().size[std::size_t(Axis::dp)];
  r.tokens = of_this_rank.tokens * parts;
  for (int i = 0; i < parts; ++i) r.flops += of_this_rank.flops;
}

StepReport Learner::report() {
  check(!begun_.empty(), "every step that was begun has been reported");
  const Begun begun = std::move(begun_.front());
  begun_.pop_front();
  const StepNumbers::Values sums = StepNumbers::read(begun.numbers);
  const auto* verdict = reinterpret_cast<const kernels::Verdict*>(begun.verdict.read());
  StepReport r = begun.report;
  r.loss = sums.loss, r.grad_norm = std::sqrt(sums.squared_norm);
  r.stop = sums.stop > 0, r.save = sums.save > 0;
  r.skipped = why(kernels::LeftOut(int(verdict->left_out)), r.grad_norm);
  skipped_in_a_row_ = r.skipped.empty() ? 0 : skipped_in_a_row_ + 1;
  return r;
}

// --- its numbers ---

StepNumbers::StepNumbers(Device& device) : device_(device), all_(Tensor::empty(device, {5}, DType::f64)) {
  static_assert(sizeof(Values) == 5 * sizeof(double));
}

void StepNumbers::clear_loss_and_norm() { device_.clear(all_.raw(), 2 * sizeof(double)); }

void StepNumbers::write(const Wishes& wishes, double rate) {
  const double said[]{double(wishes.stop), double(wishes.save), rate};
  device_.copy_in(all_.cut(0, {2, 5}).raw(), said, sizeof said);
}

Arrival StepNumbers::begin_read() const { return device_.begin_copy_out(all_.raw(), sizeof(Values)); }

StepNumbers::Values StepNumbers::read(const Arrival& arrived) {
  return *reinterpret_cast<const Values*>(arrived.read());
}

}  // namespace lact
