#include <algorithm>
#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "files/json.hpp"
#include "train/run_on_data.hpp"
#include "train/trainer.hpp"

namespace lact {
namespace {

struct Evaluated {
  std::string run;
  std::int64_t step = 0;
  Evaluation evaluation;
  NamedValues values;
  std::vector<std::string> scene_names;
};

Evaluated evaluated(const std::string& run, const std::vector<std::string>& overrides) {
  const auto [cfg, source] = run_on_data(run, overrides);
  Evaluated e;
  e.run = run;
  check(!evaluation_choices(*source, cfg.data).empty(),
        "{}: no view is held out, so there is nothing to evaluate; set data.held_out=[...]", run);
  LoadedModel loaded(cfg);
  e.step = load_newest(run, loaded).step;
  check(e.step >= 0, "{}: has no checkpoint yet", run);
  Ctx c = loaded.context();
  e.evaluation = evaluate(loaded.model, c, *source, cfg.data);
  DamageReport().tell(source->damaged(), loaded.mesh->world());
  check(!e.evaluation.views.empty(), "{}: no held-out view can be evaluated, their pictures or inputs are damaged",
        run);
  e.values = e.evaluation.values();
  for (std::int64_t s = 0; s < source->scenes(); ++s) e.scene_names.push_back(source->scene_name(s));
  return e;
}

double value_of(const Evaluated& e, const std::string& name) {
  auto it = std::ranges::find(e.values, name, &NamedValues::value_type::first);
  check(it != e.values.end(), "{}: no training scene has held-out views", e.run);
  return it->second;
}

Json as_json(const Evaluated& e) {
  Json views = Json::array();
  for (const RenderedView& v : e.evaluation.views) {
    const ViewScore& s = v.score;
    views.push(Json::object({{"scene", e.scene_names[std::size_t(s.scene)]},
                             {"view", s.view},
                             {"novel_scene", s.novel_scene},
                             {"psnr", s.psnr},
                             {"ssim", s.ssim},
                             {"nearest_psnr", s.nearest_psnr},
                             {"mean_colour_psnr", s.mean_psnr}}));
  }
  Json out = Json::object({{"run", e.run}, {"step", e.step}});
  for (const auto& [name, value] : e.values) out.set(name, value);
  out.set("views", views);
  return out;
}

void print_views(const Evaluated& e) {
  std::cout << fill("{} at step {}\n{:<24} {:>5} {:>8} {:>7} {:>14} {:>12}\n",
                    {e.run, e.step, "scene", "view", "PSNR dB", "SSIM", "nearest input", "mean colour"});
  auto row = [](std::string_view scene, std::string_view view, double psnr, double ssim, double nearest, double mean) {
    std::cout << fill("{:<24} {:>5} {:>8.2f} {:>7.4f} {:>14.2f} {:>12.2f}\n", {scene, view, psnr, ssim, nearest, mean});
  };
  for (const RenderedView& v : e.evaluation.views) {
    const ViewScore& s = v.score;
    row(e.scene_names[std::size_t(s.scene)] + (s.novel_scene ? " (never seen)" : ""), std::to_string(s.view), s.psnr,
        s.ssim, s.nearest_psnr, s.mean_psnr);
  }
  for (const std::string at : {"eval_", "eval_novel_"}) {
    if (std::ranges::find(e.values, at + "psnr", &NamedValues::value_type::first) == e.values.end()) continue;
    row(at == "eval_" ? "mean" : "mean, scenes never seen", "", value_of(e, at + "psnr"), value_of(e, at + "ssim"),
        value_of(e, at + "nearest_psnr"), value_of(e, at + "mean_colour_psnr"));
  }
}

}  // namespace

int eval_command(Arguments args, double above_baselines, bool json) {
  std::vector<Evaluated> all;
  for (const std::string& run : args.plain) all.push_back(evaluated(run, args.overrides));
  if (json) {
    Json runs = Json::array();
    for (const Evaluated& e : all) runs.push(as_json(e));
    Json out = as_json(all[0]);
    if (all.size() > 1) out.set("runs", runs);
    std::cout << out.dump() << "\n";
  } else {
    for (const Evaluated& e : all) print_views(e);
    if (all.size() > 1)
      for (const Evaluated& e : all)
        std::cout << fill("{:<40} PSNR {:.2f} dB  SSIM {:.4f}\n",
                          {e.run, value_of(e, "eval_psnr"), value_of(e, "eval_ssim")});
  }
  if (above_baselines <= 0) return exit_done;
  bool enough = true;
  for (const Evaluated& e : all) {
    double better = std::max(value_of(e, "eval_nearest_psnr"), value_of(e, "eval_mean_colour_psnr")),
           margin = value_of(e, "eval_psnr") - better;
    if (!json)
      std::cout << fill("{}: the held-out views are {:.2f} dB above the better baseline ({:.2f} dB asked)\n",
                        {e.run, margin, above_baselines});
    enough = enough && margin >= above_baselines;
  }
  return enough ? exit_done : exit_error;
}

}  // namespace lact
