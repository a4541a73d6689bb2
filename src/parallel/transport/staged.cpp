#include "parallel/transport/staged.hpp"

#include <algorithm>

namespace lact {
namespace {

bool elsewhere(const Tensor& t) { return t.defined() && t.device().backend() != Backend::cpu; }

Tensor on_host(const Tensor& t, bool with_numbers) {
  if (!elsewhere(t)) return t;
  const Tensor here = Tensor::empty(t.device().host(), t.shape(), t.dtype());
  if (with_numbers) copy_bytes(here, t);
  return here;
}

}  // namespace

bool Staged::needed(const Collective& call) {
  return elsewhere(call.out) || elsewhere(call.in) ||
         std::ranges::any_of(call.messages, [](const Message& m) { return elsewhere(m.body); });
}

Staged::Staged(Collective call, const Start& start) : there_(std::move(call)), here_(there_) {
  if (there_.in.defined()) here_.in = on_host(there_.in, true);
  const bool in_place =
      there_.out.defined() && there_.out.raw() == there_.in.raw() && there_.out.count() == there_.in.count();
  if (there_.out.defined()) here_.out = in_place ? here_.in : on_host(there_.out, false);
  for (Message& m : here_.messages) m.body = on_host(m.body, m.send);
  inner_ = start(here_);
}

void Staged::wait() {
  if (!inner_) return;
  inner_->wait();
  inner_ = nullptr;
  if (elsewhere(there_.out)) copy_bytes(there_.out, here_.out);
  for (std::size_t i = 0; i < there_.messages.size(); ++i)
    if (!there_.messages[i].send && elsewhere(there_.messages[i].body))
      copy_bytes(there_.messages[i].body, here_.messages[i].body);
}

}  // namespace lact
