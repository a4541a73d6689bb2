#include "train/trainer.hpp"

#include <cmath>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "base/file_work.hpp"
#include "base/log.hpp"
#include "files/hdf5.hpp"
#include "files/json.hpp"
#include "files/whole_file.hpp"
#include "kernels/cudnn.hpp"
#include "kernels/gemm.hpp"
#include "parallel/simulated/virtual_ranks.hpp"
#include "parallel/together.hpp"
#include "parallel/transport/gpu_ranks.hpp"
#include "parallel/world.hpp"
#include "run/progress.hpp"
#include "train/evaluation_page.hpp"
#include "train/layout.hpp"
#include "train/product_rate.hpp"

namespace lact {
namespace {

std::unique_ptr<Mesh> mesh_of(const RunConfig& cfg, std::unique_ptr<Communicator> world) {
  Grid grid = layout_of(cfg, world->size());
  return std::make_unique<Mesh>(grid, std::move(world));
}

std::unique_ptr<Device> device_of(const RunConfig& cfg) {
  share_threads(int(cfg.compute.threads), world_info().local_ranks);
  kernels::use_cudnn(kernels::cudnn_use_named(cfg.compute.cudnn));
  return device_of_rank(backend_named(cfg.compute.device));
}

}  // namespace

LoadedModel::LoadedModel(const RunConfig& cfg)
    : LoadedModel(cfg, std::make_unique<Mesh>(Mesh::alone()), device_of(cfg)) {}

// Braces: the mesh comes first, for it knows which device is this rank's.
LoadedModel::LoadedModel(const RunConfig& cfg, std::unique_ptr<Communicator> world)
    : LoadedModel{cfg, mesh_of(cfg, std::move(world)), device_of(cfg)} {}

LoadedModel::LoadedModel(const RunConfig& cfg, std::unique_ptr<Mesh> m, std::unique_ptr<Device> d)
    : config(cfg),
      device(std::move(d)),
      mesh(std::move(m)),
      store(mesh->grid().size[std::size_t(Axis::tp)]),
      model(cfg.task->make_model(store, cp_choice(cfg, mesh->grid()).mode)) {
  mesh->meet_on(*device);
  const int pp = mesh->grid().size[std::size_t(Axis::pp)], at = mesh->at(Axis::pp);
  const std::vector<Range> stages = stages_of(cfg, mesh->grid());
  model->cut_into(stages);
  store.keep([&](const Parameter& p) { return stage_of(model->place_of(p.name), stages) % pp == at; });
  store.lay_out(*device, *mesh, std::uint64_t(cfg.train.seed));
}

TrainState load_newest(const std::string& run_folder, LoadedModel& s, std::int64_t samples_per_step) {
  std::vector<std::string> all = same_everywhere(s.mesh->world(), checkpoints_in(run_folder));
  std::string problems;
  for (std::size_t i = all.size(); i-- > 0;) {
    try {
      TrainState state = read_checkpoint(all[i], s.store, *s.mesh);
      check(all[i] == checkpoint_path(run_folder, state.step), "{}: is damaged: it holds step {}", all[i], state.step);
      check(samples_per_step == 0 || state.sample == state.step * samples_per_step,
            "{}: is damaged: its {} steps have seen {} samples, not {}", all[i], state.step, state.sample,
            state.step * samples_per_step);
      if (!problems.empty()) log::warning("{}; {} is used instead", problems, all[i]);
      return state;
    } catch (const Error& e) {
      problems += std::string(problems.empty() ? "" : "; ") + e.what();
    }
  }
  check(all.empty(), "{}: no checkpoint loads: {}", run_folder, problems);
  TrainState none;
  none.step = -1;
  return none;
}

Trainer::Trainer(const RunConfig& cfg, std::unique_ptr<Communicator> world)
    : cfg_((check_usable(cfg.run.dir), check_same_run(cfg), cfg)),
      data_(cfg.task->open_data(world->rank() == 0)),
      loaded_(cfg, std::move(world)),
      learner_(*loaded_.model, loaded_.store, *loaded_.mesh, *loaded_.device, cfg.train, std::uint64_t(cfg.train.seed),
               cfg.compute.graphs && !cfg.train.deterministic),
      samples_(data_->samples(std::uint64_t(cfg.train.seed), *loaded_.model, *loaded_.mesh)),
      loader_(*samples_, cfg.task->data_threads(), *loaded_.device),
      evaluator_(data_->evaluator(*loaded_.model)) {  // an impossible evaluation is an error now, not after an hour
  resume();
  data_->refuse_damage(loaded_.mesh->world());
}

void on_ranks(const RunConfig& cfg, std::unique_ptr<Communicator> world,
              const std::function<void(const RunConfig&, std::unique_ptr<Communicator>)>& body) {
  log::set_rank(world->rank(), world->size());
  const Grid grid = layout_of(cfg, world->size());
  if (!cfg.train.deterministic) return body(cfg, std::move(world));
  const Grid finest = finest_layout(cfg, grid);
  RunConfig fine = cfg;
  fine.parallel.dp = finest.size[std::size_t(Axis::dp)], fine.parallel.cp = finest.size[std::size_t(Axis::cp)];
  fine.compute.threads = 1;
  std::vector<int> mine;
  for (int r = 0; r < finest.ranks(); ++r)
    if (player_of(r, finest, grid) == world->rank()) mine.push_back(r);
  play_ranks(*world, finest.ranks(), mine, [&](std::unique_ptr<Communicator> played) {
    log::set_rank_of_thread(played->rank(), played->size());
    body(fine, std::move(played));
  });
}

Ended train(const RunConfig& cfg, std::unique_ptr<Communicator> world, const std::atomic<bool>& stop) {
  std::atomic<Ended> ended = Ended::finished;
  on_ranks(cfg, std::move(world), [&](const RunConfig& c, std::unique_ptr<Communicator> ranks) {
    ended = Trainer(c, std::move(ranks)).run(stop);
  });
  return ended;
}

void Trainer::resume() {
  TrainState state = load_newest(cfg_.run.dir, loaded_, cfg_.train.batch_size);
  together(loaded_.mesh->world(), [&] {  // one rank judges: others may see the data later, or not at all
    if (loaded_.first_rank()) data_->check_same(cfg_.run.dir, data_path_of_run(cfg_.run.dir), state.step >= 0);
  });
  if (state.step < 0) return;
  first_step_ = saved_step_ = done_ = state.step;
  learner_.optimizer().set_steps(state.optimizer_steps);
  learner_.set_skipped_in_a_row(state.skipped_in_a_row);
}

void Trainer::begin_folder() {
  const FileWork work("opening", cfg_.run.dir);
  auto make = [&](const std::string& folder) { make_folder(cfg_.run.dir + folder, "run.dir=" + cfg_.run.dir); };
  make("");
  lock_.emplace(cfg_.run.dir);
  write_whole(cfg_.run.dir + "/config.yaml", to_yaml(Fields::of(cfg_)));  // first: it makes the folder a run
  make("/checkpoints");
  make("/images");
  data_->write_record(cfg_.run.dir, saved_step_ >= 0);
  report_ = std::make_unique<Report>(cfg_.run.dir, first_step_);
}

Batch micro_batch(Loader& loader, const RunConfig& cfg, const Mesh& mesh, std::int64_t step, std::int64_t micro) {
  const std::int64_t size = samples_of_micro_batch(cfg);
  const std::int64_t parts = mesh.grid().size[std::size_t(Axis::dp)], mine = size / parts;
  const std::int64_t first = step * cfg.train.batch_size;
  Batch b = loader.batch(first + micro * size + mesh.at(Axis::dp) * mine, mine, size);
  b.valid = loader.samples().valid({first, first + cfg.train.batch_size});
  return b;
}

Batch Trainer::draw(std::int64_t step, std::int64_t micro) {
  return micro_batch(loader_, cfg_, *loaded_.mesh, step, micro);
}

void Trainer::begin_step(std::int64_t step, const std::function<Wishes()>& wishes) {
  BegunStep now{steady_seconds()};
  loaded_.device->reset_peak();
  for (Communicator* c : loaded_.mesh->communicators()) c->reset_traffic();
  learner_.begin(
      step, cfg_.train.accumulate, [&](std::int64_t micro) { return draw(step, micro); }, wishes);
  done_ = step + 1;
  if (!learner_.replayed()) {  // a graph exchanges what its step did when it was asked for
    exchanged_ = {};
    for (Communicator* c : loaded_.mesh->communicators()) exchanged_ += c->traffic().total();
  }
  now.exchanged = exchanged_;
  now.peak = loaded_.device->memory().peak;
  now.asking = steady_seconds() - now.begin;
  begun_.push_back(now);
}

bool Trainer::report_may_wait() const {
  const auto begun = std::int64_t(begun_.size());
  const bool may_end_the_run = learner_.skipped_in_a_row() + begun >= cfg_.train.max_skipped;
  return loaded_.device->backend() == Backend::cuda && begun == 1 && !may_end_the_run;
}

Wishes Trainer::report_steps(Progress& progress, bool all) {
  Wishes any;
  while (!begun_.empty() && (all || !report_may_wait())) {
    const Wishes of_step = report_first_step(progress);
    any.stop |= of_step.stop, any.save |= of_step.save;
  }
  return any;
}

Wishes Trainer::report_first_step(Progress& progress) {
  const StepReport r = learner_.report();
  const BegunStep step = begun_.front();
  begun_.pop_front();
  const double begin = std::max(step.begin, reported_at_);
  reported_at_ = steady_seconds();
  if (loaded_.first_rank()) write_row(r, std::max(reported_at_ - begin, step.asking), step, progress);
  if (r.skipped.empty()) return {r.stop, r.save};
  if (loaded_.first_rank()) log::warning("step {}: the optimizer step was left out: {}", r.step + 1, r.skipped);
  if (learner_.skipped_in_a_row() >= cfg_.train.max_skipped) {
    if (!saving_) save(done_);  // on all ranks, for all of them read the same report
    fail("{} optimizer steps in a row were left out, the last because the {}; train.max_skipped={}",
         learner_.skipped_in_a_row(), r.skipped, cfg_.train.max_skipped);
  }
  return {r.stop, r.save};
}

void Trainer::write_row(const StepReport& r, double seconds, const BegunStep& step, Progress& progress) {
  StepRow row;
  row.step = r.step + 1, row.loss = r.loss, row.grad_norm = r.grad_norm, row.lr = r.rate;
  row.tokens = r.tokens, row.seconds = seconds, row.tokens_per_second = double(r.tokens) / seconds;
  row.model_flops = 3 * r.flops.total();
  row.mfu = row.model_flops / seconds / (peak_flops_ * loaded_.mesh->world().size());
  row.memory_bytes = std::int64_t(step.peak);
  row.of_task = cfg_.task->values_of_loss(r.loss), row.skipped = r.skipped;
  row.ranks = loaded_.mesh->world().size();
  row.collectives = step.exchanged.calls, row.sent_bytes = step.exchanged.bytes;
  row.exchange_seconds = step.exchanged.blocked_seconds();
  report_->step(row);
  progress.show({.step = row.step,
                 .loss = r.loss,
                 .of_task = cfg_.task->text_of_loss(r.loss),
                 .tokens_per_second = row.tokens_per_second});
}

void Trainer::evaluate_now(std::int64_t step) {
  loaded_.store.settle();
  Ctx c = loaded_.context();
  Evaluation e;
  try {
    e = evaluator_->evaluate(c);
  } catch (const Unreadable& why) {  // costs this evaluation, not the training
    if (loaded_.first_rank())
      log::warning("step {}: the {} are not evaluated: {}", step, evaluator_->judged(), why.what());
  }
  data_->tell_damage(samples_.get(), loaded_.mesh->world());
  if (e.values.empty() || !loaded_.first_rank()) return;
  const FileWork work("writing an evaluation into", cfg_.run.dir);
  report_->evaluation(step, e.values);
  if (e.picture) {
    const std::string path = cfg_.run.dir + fill("/images/step_{:08d}.png", {step});
    try {
      e.picture->write(path);
      report_->picture(step, e.picture->title, path);
    } catch (const Error& why) {  // worth no run
      log::warning("step {}: {}", step, why.what());
    }
  }
  if (!e.charts.empty()) {
    try {
      report_->picture(step, "held-out curves", write_evaluation(cfg_.run.dir, step, e));
    } catch (const Error& why) {
      log::warning("step {}: {}", step, why.what());
    }
  }
  log::info("step {}: {}", step, e.sentence);
}

void Trainer::save(std::int64_t step) {
  if (saved_step_ == step) return;
  saving_ = true;
  write_checkpoint(checkpoint_path(cfg_.run.dir, step), loaded_.store, *loaded_.mesh,
                   {.step = step,
                    .sample = step * cfg_.train.batch_size,
                    .optimizer_steps = learner_.optimizer().steps(),
                    .skipped_in_a_row = learner_.skipped_in_a_row(),
                    .config = to_yaml(Fields::of(cfg_))});
  if (loaded_.first_rank())
    remove_old_checkpoints(cfg_.run.dir, step, cfg_.train.keep_checkpoints, learner_.skipped_in_a_row());
  saved_step_ = step;
  saving_ = false;
  data_->tell_damage(samples_.get(), loaded_.mesh->world());
}

void Trainer::tell_where() {
  const WorldInfo& w = world_info();
  if (!w.places.empty()) log::info("{}", text_of(w.places));
  std::string transports;
  for (const Communicator* c : loaded_.mesh->communicators())
    transports += fill(transports.empty() ? "{} by {}" : ", {} by {}", {c->label(), c->transport()});
  if (!alone()) log::info("{}; {}", text_of(loaded_.mesh->grid()), transports);
  std::string mpi = w.ranks > 1 ? fill("{} (threads: {}), ", {w.library, w.thread_level}) : "";
  if (w.ranks > 1 && loaded_.device->backend() == Backend::cuda && !gpu_ranks_library().empty())
    mpi += gpu_ranks_library() + ", ";
  if (loaded_.device->backend() == Backend::cuda) mpi += kernels::cudnn_library() + ", ";
  log::info("{}{}, {}, on {}", mpi, kernels::product_library(), hdf5_version(), loaded_.device->name());
}

Ended Trainer::run(const std::atomic<bool>& stop) {
  std::int64_t steps = cfg_.train.steps;
  const bool owed = evaluation_is_owed();
  if (first_step_ >= steps) log::info("{}: already at step {} of {}", cfg_.run.dir, first_step_, steps);
  if (first_step_ >= steps && !owed) return Ended::finished;
  if (first_step_ < steps) draw(first_step_, 0);  // data that give no sample are an error before anything is written
  if (loaded_.first_rank()) begin_folder();
  peak_flops_ = measured_product_rate(*loaded_.device, cfg_.train.activations());
  tell_where();
  log::info("{}: {} parameters, {}, {} threads; {} step {} of {}", cfg_.run.dir, loaded_.store.count(), data_->text(),
            threads(), first_step_ > 0 ? "going on at" : "starting at", first_step_, steps);
  const CpChoice cp = cp_choice(cfg_, loaded_.mesh->grid());
  if (!cp.why.empty()) log::info("{}", cp.why);
  if (const std::string why = evaluator_->why_none(); !why.empty()) log::info("{}, so nothing is evaluated", why);
  Progress progress(first_step_, steps);
  try {
    if (owed) evaluate_now(first_step_);
    return loop(stop, progress);
  } catch (
      const std::exception&) {  // bad data, a full disk: what was learned until here is kept where that is possible
    try {
      while (!begun_.empty() && !saving_) report_first_step(progress);
      if (done_ > first_step_ && !saving_ && alone()) save(done_);  // others may not come to a save
    } catch (const std::exception&) {
    }
    throw;
  }
}

// Whether the run ended between a checkpoint and the evaluation that belongs to it.
bool Trainer::evaluation_is_owed() {
  const std::int64_t every = cfg_.train.eval_every;
  const bool due = first_step_ > 0 && (first_step_ == cfg_.train.steps || (every > 0 && first_step_ % every == 0));
  if (!due || !evaluator_->why_none().empty()) return false;
  const bool made = loaded_.first_rank() && has_evaluation(cfg_.run.dir, first_step_);
  return gathered(loaded_.mesh->world(), made ? "made" : "").front().empty();
}

Ended Trainer::loop(const std::atomic<bool>& stop, Progress& progress) {
  const std::int64_t steps = cfg_.train.steps;
  double saved_at = steady_seconds(), pause = double(cfg_.train.checkpoint_seconds);
  // What ends a run or asks for a save comes from one rank and is done by all in the same step.
  auto wishes = [&] { return Wishes{stop, pause > 0 && loaded_.first_rank() && steady_seconds() - saved_at >= pause}; };
  for (std::int64_t step = first_step_; step < steps; ++step) {
    begin_step(step, wishes);
    Wishes agreed = report_steps(progress, false);
    auto due = [&](std::int64_t every) { return done_ == steps || (every > 0 && done_ % every == 0); };
    const bool evaluates = due(cfg_.train.eval_every), saves = due(cfg_.train.checkpoint_every);
    if (evaluates || saves || agreed.stop || agreed.save) {
      const Wishes late = report_steps(progress, true);
      agreed.stop |= late.stop;
      // before an evaluation: whatever goes wrong in that should not cost the steps before it
      const double begin = steady_seconds();
      save(done_);
      saved_at = steady_seconds();
      // a large model's checkpoint takes long: no more than a twentieth of the time goes into those by the clock
      if (pause > 0) pause = std::max(double(cfg_.train.checkpoint_seconds), 20 * (saved_at - begin));
    }
    if (agreed.stop && done_ < steps) {
      log::info("stopped at step {} of {}; the same command goes on from here", done_, steps);
      return Ended::stopped;
    }
    if (evaluates) evaluate_now(done_);
  }
  return Ended::finished;
}

}  // namespace lact
