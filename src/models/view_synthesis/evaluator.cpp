#include "models/view_synthesis/evaluator.hpp"

#include <algorithm>
#include <map>

namespace lact {
namespace {

constexpr const char* row_format = "{:<24} {:>5} {:>8.2f} {:>7.4f} {:>14.2f} {:>12.2f}\n";

using ByName = std::map<std::string, double>;

std::string table_of(const ViewEvaluation& e, const ByName& values, const ViewSource& source) {
  std::string table = fill("{:<24} {:>5} {:>8} {:>7} {:>14} {:>12}\n",
                           {"scene", "view", "PSNR dB", "SSIM", "nearest input", "mean colour"});
  for (const RenderedView& v : e.views) {
    const ViewScore& s = v.score;
    table += fill(row_format, {source.scene_name(s.scene) + (s.novel_scene ? " (never seen)" : ""),
                               std::to_string(s.view), s.psnr, s.ssim, s.nearest_psnr, s.mean_psnr});
  }
  for (const std::string at : {"eval_", "eval_novel_"}) {
    if (!values.contains(at + "psnr")) continue;
    table +=
        fill(row_format, {at == "eval_" ? "mean" : "mean, scenes never seen", "", values.at(at + "psnr"),
                          values.at(at + "ssim"), values.at(at + "nearest_psnr"), values.at(at + "mean_colour_psnr")});
  }
  return table;
}

Json details_of(const ViewEvaluation& e, const ViewSource& source) {
  Json views = Json::array();
  for (const RenderedView& v : e.views) {
    const ViewScore& s = v.score;
    views.push(Json::object({{"scene", source.scene_name(s.scene)},
                             {"view", s.view},
                             {"novel_scene", s.novel_scene},
                             {"psnr", s.psnr},
                             {"ssim", s.ssim},
                             {"nearest_psnr", s.nearest_psnr},
                             {"mean_colour_psnr", s.mean_psnr}}));
  }
  return Json::object({{"views", views}});
}

Evaluation::Comparison comparison_of(const ByName& values) {
  const double psnr = values.at("eval_psnr"),
               baseline = std::max(values.at("eval_nearest_psnr"), values.at("eval_mean_colour_psnr"));
  return {sentence("PSNR {:.2f} dB  SSIM {:.4f}", psnr, values.at("eval_ssim")), psnr - baseline, "dB",
          sentence("the held-out views are {:.2f} dB above the better baseline", psnr - baseline)};
}

}  // namespace

Evaluation ViewEvaluator::evaluate(Ctx& c) {
  ViewEvaluation e = lact::evaluate(model_, c, source_, config_);
  Evaluation out;
  out.values = e.values();
  out.why_empty = "no held-out view can be evaluated, their pictures or inputs are damaged";
  if (out.values.empty()) return out;
  const NamedValues& v = out.values;
  out.sentence = sentence("held-out PSNR {:.2f} dB (nearest input {:.2f}, mean colour {:.2f}), SSIM {:.3f}",
                          v[0].second, v[4].second, v[5].second, v[2].second);
  const ByName values(v.begin(), v.end());
  out.table = table_of(e, values, source_);
  out.details = details_of(e, source_);
  if (values.contains("eval_psnr"))
    out.comparison = comparison_of(values);
  else
    out.why_no_comparison = "no training scene has held-out views";
  const std::int64_t scene = e.views[0].score.scene;
  out.picture = {"held-out views", [e = std::move(e), scene, config = config_](const std::string& path) {
                   write_png(path, sheet_of(e, scene, config));
                 }};
  return out;
}

}  // namespace lact
