#include "app/profile_page.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "run/html_page.hpp"

namespace lact {
namespace {

double milli(const Json& seconds) { return seconds.number() * 1e3; }
double percent(const Json& share) { return share.number() * 100; }
double mega(const Json& bytes) { return bytes.number() / 1e6; }

std::string grid_line(const Json& p) {
  const Json g = p["grid"], m = p["machine"];
  return fill("pp={} dp={} cp={} tp={}: {} tokens a step, {} per rank; threads of a rank: {}, on {}",
              {g["pp"].integer(), g["dp"].integer(), g["cp"].integer(), g["tp"].integer(), p["tokens"].integer(),
               p["tokens_per_rank"].integer(), m["threads"].integer(), m["device"].text()});
}

std::string step_line(const Json& p) {
  const Json o = p["overhead"];
  return fill(
      "step {:.1f} ms ({:.0f} tokens/s), the same arithmetic without exchange {:.1f} ms: overhead {:.2f} % (median of "
      "{} "
      "pairs, half of them within {:.2f} to {:.2f} %; by the processor's clock {:.2f} %)",
      {milli(p["step"]["median"]), p["tokens_per_second"].number(), milli(p["control"]["median"]), percent(o["median"]),
       o["all"].size(), percent(o["low"]), percent(o["high"]), percent(p["overhead_computing"]["median"])});
}

std::string independent_line(const Json& p) {
  if (p["independent"].is_null())
    return "no rank can take such a step alone: stages or matrices are cut, or views do not divide";
  return fill("every rank alone with as many tokens {:.1f} ms: the step takes {:+.2f} %",
              {milli(p["independent"]["seconds"]["median"]), percent(p["independent"]["overhead"]["median"])});
}

std::string compute_line(const Json& p) {
  const Json i = p["imbalance"];
  return fill("own compute of a rank: median {:.1f} ms, slowest {:.1f} ms (rank {}); waiting for data {:.1f} ms",
              {milli(i["median_seconds"]), milli(i["slowest_seconds"]), i["slowest_rank"].integer(),
               milli(p["data"]["stall_seconds"])});
}

std::string bubble_line(const Json& p) {
  return fill("pipeline bubble {:.1f} %, of equal stages {:.1f} %",
              {percent(p["pipeline"]["bubble"]), percent(p["pipeline"]["bubble_of_equal_stages"])});
}

const std::vector<std::string> axis_header = {"axis", "ranks", "transport",  "collective", "calls",     "MB",
                                              "ms",   "GB/s",  "exposed ms", "% of step",  "moving ms", "% of step"};

std::vector<std::vector<std::string>> axis_rows(const Json& p) {
  std::vector<std::vector<std::string>> rows;
  const double step = p["step"]["median"].number();
  for (const Json& a : p["axes"].items())
    for (const Json& r : a["ops"].items())
      rows.push_back(
          {a["axis"].text(), std::to_string(a["ranks"].integer()), a["transport"].text(), r["op"].text(),
           std::to_string(r["calls"].integer()), fill("{:.3f}", {mega(r["bytes"])}),
           fill("{:.2f}", {milli(r["seconds"])}), fill("{:.3f}", {r["bytes_per_second"].number() / 1e9}),
           fill("{:.2f}", {milli(r["exposed_seconds"])}), fill("{:.2f}", {100 * r["exposed_seconds"].number() / step}),
           fill("{:.2f}", {milli(r["moving_seconds"])}), fill("{:.2f}", {100 * r["moving_seconds"].number() / step})});
  return rows;
}

std::string row_text(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i)
    line += i < 4 ? fill("{:<15}", {cells[i]}) : fill("{:>11}", {cells[i]});
  return line + "\n";
}

const std::vector<std::string> kernel_header = {"kernel",  "calls",        "ms",   "% of kernels",
                                                "GFLOP/s", "% of product", "GB/s", "% of copy"};

std::vector<std::vector<std::string>> kernel_rows(const Json& p) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& r : p["kernels"]["rows"].items()) {
    const bool computes = r["flops"].number() > 0;
    rows.push_back(
        {r["kernel"].text(), std::to_string(r["calls"].integer()), fill("{:.2f}", {milli(r["seconds"])}),
         fill("{:.1f}", {percent(r["share"])}), computes ? fill("{:.0f}", {r["flops_per_second"].number() / 1e9}) : "",
         computes ? fill("{:.1f}", {percent(r["of_product_rate"])}) : "",
         fill("{:.1f}", {r["bytes_per_second"].number() / 1e9}), fill("{:.1f}", {percent(r["of_copy_rate"])})});
  }
  return rows;
}

std::string kernel_line(const Json& p) {
  const Json k = p["kernels"];
  return fill(
      "kernels of rank 0 in one step: {:.1f} ms; measured are {:.0f} GFLOP/s in products, {:.1f} GB/s in copies",
      {milli(k["seconds"]), k["product_flops_per_second"].number() / 1e9, k["copy_bytes_per_second"].number() / 1e9});
}

std::string kernel_text(const std::vector<std::string>& cells) {
  std::string line = fill("{:<22}", {cells[0]});
  for (std::size_t i = 1; i < cells.size(); ++i) line += fill("{:>13}", {cells[i]});
  return line + "\n";
}

void overhead_plots(HtmlPage& page, const Json& p) {
  Bar step{"step", {{"compute", milli(p["control"]["median"])}}}, control{"control", step.parts};
  for (const Json& a : p["axes"].items())
    step.parts.push_back({"exposed along " + a["axis"].text(), milli(a["exposed_seconds"])});
  page.bars({step, control}, "ms");
  page.paragraph(
      "The median step, and what of it the slowest rank of each axis spent in begin and wait. Exposed time "
      "holds waiting for slower ranks, so that bars may reach beyond the step's own " +
      fill("{:.1f} ms.", {milli(p["step"]["median"])}));
  Curve pairs{"overhead of each pair", {}, {}};
  for (const Json& o : p["overhead"]["all"].items()) {
    pairs.x.push_back(double(pairs.x.size()) + 1);
    pairs.y.push_back(percent(o));
  }
  page.charts({{"", {"pair"}, {"%", false, true}, {pairs}}});
}

void memory_plot(HtmlPage& page, const Json& p) {
  std::vector<Bar> bars;
  for (const Json& r : p["ranks"].items()) {
    Bar b{fill("rank {}", {r["rank"].integer()}), {}};
    for (const auto& [kind, bytes] : r["memory"].members()) b.parts.push_back({kind, mega(bytes)});
    bars.push_back(std::move(b));
  }
  page.bars(bars, "MB");
}

void compute_plot(HtmlPage& page, const Json& p) {
  std::vector<Bar> bars;
  for (const Json& r : p["ranks"].items()) {
    double sum = 0;
    for (const Json& s : r["control"].items()) sum += milli(s);
    bars.push_back({fill("rank {}", {r["rank"].integer()}), {{"own compute", sum / double(r["control"].size())}}});
  }
  page.bars(bars, "ms");
}

}  // namespace

std::string profile_table(const Json& p) {
  std::string out = grid_line(p) + "\n" + step_line(p) + "\n" + independent_line(p) + "\n" + row_text(axis_header);
  for (const auto& row : axis_rows(p)) out += row_text(row);
  if (!p["pipeline"].is_null()) out += bubble_line(p) + "\n";
  out += compute_line(p) + "\nmemory of a rank in MB, the most of each kind:";
  for (const auto& [kind, bytes] : p["memory"].members()) out += fill(" {} {:.1f}", {kind, mega(bytes)});
  out += "\n" + kernel_line(p) + "\n" + kernel_text(kernel_header);
  const auto kernels = kernel_rows(p);
  constexpr std::size_t shown = 12;
  for (std::size_t i = 0; i < std::min(shown, kernels.size()); ++i) out += kernel_text(kernels[i]);
  return out;
}

std::string profile_page(const Json& p, const std::string& title, const std::vector<Track>& ranks) {
  HtmlPage page("Profile of " + title);
  page.paragraph(grid_line(p));
  page.heading("Overhead");
  page.paragraph(step_line(p));
  page.paragraph(independent_line(p));
  overhead_plots(page, p);
  page.heading("Exchange along each axis");
  page.table(axis_header, axis_rows(p));
  page.paragraph(
      "Of one step, on the rank that the axis holds up longest. ms: from the beginning of each call until it "
      "was waited for; exposed: in which the rank could do nothing else; moving: of that, copying and "
      "adding up, the rest is waiting for others. GB/s: while moving.");
  page.heading("Balance");
  page.paragraph(compute_line(p));
  if (!p["pipeline"].is_null()) page.paragraph(bubble_line(p));
  compute_plot(page, p);
  page.heading("Kernels");
  page.paragraph(kernel_line(p));
  page.table(kernel_header, kernel_rows(p));
  page.paragraph(
      "Each kernel between two marks in the device's stream; bytes count its tensors once, operations those of "
      "products and attention. On a GPU a short kernel's time holds the host's time to ask for it.");
  page.heading("Memory");
  memory_plot(page, p);
  page.heading("The last step");
  page.timeline(ranks);
  page.paragraph("trace.json beside this page holds all traced steps; Perfetto (ui.perfetto.dev) opens it.");
  return page.text();
}

namespace {

const std::vector<std::string> scaling_header = {"scaling",    "ranks",    "tokens",      "step ms",
                                                 "overhead %", "tokens/s", "efficiency %"};

std::vector<std::vector<std::string>> scaling_rows(const Json& s) {
  std::vector<std::vector<std::string>> rows;
  for (const std::string kind : {"strong", "weak"})
    for (const Json& r : s[kind].items())
      rows.push_back({kind, std::to_string(r["ranks"].integer()), std::to_string(r["tokens"].integer()),
                      fill("{:.1f}", {milli(r["seconds"])}), fill("{:.2f}", {percent(r["overhead"])}),
                      fill("{:.0f}", {r["tokens_per_second"].number()}), fill("{:.1f}", {percent(r["efficiency"])})});
  return rows;
}

}  // namespace

std::string scaling_table(const Json& s) {
  std::string out;
  auto line = [&out](const std::vector<std::string>& cells) {
    for (const std::string& c : cells) out += fill("{:>14}", {c});
    out += "\n";
  };
  line(scaling_header);
  for (const auto& row : scaling_rows(s)) line(row);
  return out;
}

std::string scaling_page(const Json& s, const std::string& title) {
  HtmlPage page("Scaling of " + title + " along " + s["axis"].text());
  std::vector<Curve> curves;
  for (const std::string kind : {"strong", "weak"}) {
    Curve one{kind, {}, {}};
    for (const Json& r : s[kind].items()) {
      one.x.push_back(double(r["ranks"].integer()));
      one.y.push_back(percent(r["efficiency"]));
    }
    curves.push_back(std::move(one));
  }
  page.charts({{"", {"ranks", false, true}, {"efficiency, %", false, true}, curves}});
  page.paragraph(
      "Tokens per second and rank against the smallest number of ranks. Strong: the same step on more ranks; "
      "weak: a step that grows with them.");
  page.table(scaling_header, scaling_rows(s));
  return page.text();
}

}  // namespace lact
