#include "train/pipeline.hpp"

#include <algorithm>
#include <map>
#include <memory>

#include "autograd/broadcast.hpp"
#include "autograd/ops.hpp"
#include "base/check.hpp"
#include "kernels/pointwise.hpp"

namespace lact {

namespace {

using Place = std::pair<int, int>;  // stage, micro-batch

struct Live {  // a forward pass whose backward has not run
  std::unique_ptr<Tape> tape;
  Var in, out;
  std::shared_ptr<Tensor> gradient;  // of `in`, once the backward has run
};

struct Value {  // made here and about to leave, or received
  Tensor body;
  int exchange = 0;  // that brings it
};
using Values = std::map<Place, Value>;  // by the stage that made them

Value taken(Values& from, Place place) {
  auto node = from.extract(place);
  check(!node.empty(), "what stage {} made of micro-batch {} is not there", place.first, place.second);
  return std::move(node.mapped());
}

}  // namespace

struct Pipeline::Step {
  Pipeline& p;
  Ctx c;
  const Draw& draw;
  Totals totals = {};
  std::map<int, Batch> batches = {};  // of micro-batches with forward passes before them
  std::map<Place, Live> live = {};
  Values activations = {}, cotangents = {};
  Work travelling = {};
  int exchanges = 0;

  const Batch& batch(int micro) {
    auto [it, fresh] = batches.try_emplace(micro);
    if (!fresh) return it->second;
    it->second = draw(micro);
    totals.tokens += p.model_.tokens(it->second);
    totals.flops += p.model_.forward_flops(it->second);
    return it->second;
  }

  void add_loss(const Tensor& loss) {
    const Tensor wide = like(totals.loss);
    kernels::unary(kernels::Unary::copy, wide, loss.view({1}));
    kernels::add_to(totals.loss, wide);
  }

  Tensor arrived(Values& from, Place place) {
    Value v = taken(from, place);
    if (v.exchange == exchanges) travelling.wait();
    return v.body;
  }

  void forward(int stage, int micro) {
    const Batch& b = batch(micro);
    Live pass{std::make_unique<Tape>("micro-batch"), {}, {}, std::make_shared<Tensor>()};
    if (stage > 0) {
      const Tensor x = arrived(activations, {stage - 1, micro});
      pass.in = pass.tape->leaf(x, [to = pass.gradient, type = x.dtype()](const Var& g) {
        if (g) *to = dense(cast(g, type).value());
      });
    }
    Ctx own = c.on(pass.tape.get());
    p.store_.begin_forward();
    pass.out = run_blocks(p.model_, own, b, p.blocks_[std::size_t(stage)], pass.in, p.recompute_);
    p.store_.end_forward();
    if (p.last(stage))
      add_loss(pass.out.value());
    else
      activations[{stage, micro}] = {dense(pass.out.value())};
    if (stage + p.shape_.ranks >= p.shape_.stages()) batches.erase(micro);
    live.emplace(Place(stage, micro), std::move(pass));
  }

  void backward(int stage, int micro) {
    Live pass = std::move(live.extract(Place(stage, micro)).mapped());
    Var dy = p.last(stage) ? ones_like(pass.out) : Var(arrived(cotangents, {stage + 1, micro}));
    pass.tape->backward(pass.out, dy);
    if (stage == 0) return;
    if (!pass.gradient->defined()) {  // nothing here depends on what came in, and yet somebody waits for it
      *pass.gradient = like(pass.in.value());
      kernels::fill(*pass.gradient, 0);
    }
    cotangents[{stage, micro}] = {*pass.gradient};
  }

  void exchange(const std::vector<PipelineMessage>& messages) {
    travelling.wait();  // one at a time, as rehearsed
    ++exchanges;
    std::vector<Message> out;
    for (const PipelineMessage& m : messages) {
      bool activation = m.kind == PipelineMessage::activation;
      Values& values = activation ? activations : cotangents;
      Place place(m.stage, m.micro);
      if (m.send) {
        out.push_back({taken(values, place).body, m.peer, true});
        continue;
      }
      Tensor room = activation ? p.model_.hidden(c, batch(m.micro)) : like(live.at({m.stage - 1, m.micro}).out.value());
      values[place] = {room, exchanges};
      out.push_back({room, m.peer, false});
    }
    travelling = p.mesh_.along(Axis::pp).exchange(out);
  }
};

Pipeline::Pipeline(Model& model, ParameterStore& store, Mesh& mesh, std::vector<Range> blocks, bool recompute)
    : model_(model), store_(store), mesh_(mesh), blocks_(std::move(blocks)), recompute_(recompute) {
  int ranks = mesh.grid().size[std::size_t(Axis::pp)], stages = int(blocks_.size());
  check(stages > 0 && stages % ranks == 0, "{} stages on {} ranks of a pipeline", stages, ranks);
  shape_ = {ranks, 0, stages / ranks};
}

Pipeline::Totals Pipeline::run(const Ctx& c, std::int64_t micro_batches, const Draw& draw) {
  if (shape_.micro_batches != micro_batches) {
    shape_.micro_batches = int(micro_batches);
    list_ = pipeline_lists(shape_)[std::size_t(mesh_.at(Axis::pp))];
  }
  // zeroes the gradients
  store_.begin_step(std::ranges::count(list_, PipelineAction::forward, &PipelineAction::kind));
  Step step{*this, c, draw, {.loss = Tensor::zeros(c.device, {1}, DType::f64)}};
  for (const PipelineAction& a : list_) {
    if (watch_) watch_(a, false);
    if (a.kind == PipelineAction::forward)
      step.forward(a.stage, a.micro);
    else if (a.kind == PipelineAction::backward)
      step.backward(a.stage, a.micro);
    else
      step.exchange(a.messages);
    if (watch_) watch_(a, true);
  }
  step.travelling.wait();
  return step.totals;
}

}  // namespace lact
