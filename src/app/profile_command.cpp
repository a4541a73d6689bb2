#include <algorithm>
#include <filesystem>
#include <iostream>
#include <thread>

#include "app/commands.hpp"
#include "app/profile_page.hpp"
#include "base/check.hpp"
#include "files/whole_file.hpp"
#include "measure/profile_report.hpp"
#include "parallel/launch/launcher.hpp"
#include "parallel/launch/starter.hpp"
#include "parallel/world.hpp"

namespace lact {
namespace {

ProfileConfig taken_from(Arguments& args) {
  ProfileConfig cfg;
  const Fields fields = Fields::of(cfg);
  for (const std::string key : {"pairs", "alone", "traced", "product", "copied"})
    if (const std::string value = args.take(key); !value.empty()) apply_override(fields, key + "=" + value);
  cfg.check_values();
  return cfg;
}

// [kind, name, begin, end, bytes, beside] of every span
std::vector<Track> tracks_of(const std::vector<Json>& ranks, const std::vector<Json>& spans) {
  std::vector<Track> tracks;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    const Json& rank = ranks[r];
    Track t{fill("rank {} on {}, pp {} dp {} cp {} tp {}",
                 {rank["rank"].integer(), rank["host"].text(), rank["pp"].integer(), rank["dp"].integer(),
                  rank["cp"].integer(), rank["tp"].integer()}),
            {}};
    for (const Json& s : spans[r].items())
      t.spans.push_back(
          {s.at(0).text(), s.at(1).text(), s.at(2).number(), s.at(3).number(), s.at(4).integer(), s.at(5).boolean()});
    tracks.push_back(std::move(t));
  }
  return tracks;
}

// The last step of each track, under a short name.
std::vector<Track> last_step(std::vector<Track> tracks) {
  for (std::size_t r = 0; r < tracks.size(); ++r) {
    Span last;
    for (const Span& s : tracks[r].spans)
      if (s.kind == "step") last = s;
    std::erase_if(tracks[r].spans, [&](const Span& s) { return s.begin < last.begin || s.end > last.end; });
    tracks[r].name = fill("rank {}", {r});
  }
  return tracks;
}

void show(const Json& all, const std::string& table, bool json) { std::cout << (json ? all.dump() + "\n" : table); }

int profile_layout(const RunConfig& cfg, const ProfileConfig& how, const std::string& out, const std::string& title,
                   bool json) {
  auto world = open_world(cfg.parallel.patience());
  const auto data = cfg.task->open_data(world->rank() == 0);
  LoadedModel m(cfg, std::move(world));
  if (m.first_rank()) make_folder(out);
  const RankProfile mine = profile(m, *data, how);
  const std::vector<Json> ranks = of_all_ranks(m, as_json(mine, m)), spans = of_all_ranks(m, spans_json(mine));
  if (!m.first_rank()) return exit_done;
  Json all = summary(m, mine, ranks);
  const std::vector<Track> tracks = tracks_of(ranks, spans);
  all.set("files",
          Json::object(
              {{"profile", out + "/profile.json"}, {"page", out + "/profile.html"}, {"trace", out + "/trace.json"}}));
  write_whole(out + "/profile.json", all.dump() + "\n");
  write_whole(out + "/trace.json", chrome_trace(tracks));
  write_whole(out + "/profile.html", profile_page(all, title, last_step(tracks)));
  show(all, profile_table(all) + "more in " + out + "/profile.html, profile.json and trace.json\n", json);
  return exit_done;
}

std::vector<int> counts_in(const std::string& list) {
  const std::vector<std::int64_t> counts = numbers_in(list);
  check(!counts.empty() && std::ranges::max(counts) < 10000, "ranks={} is not a list of numbers of ranks like 1,2,4",
        list);
  return {counts.begin(), counts.end()};
}

// The same work for each rank: more samples along dp and pp, larger ones along cp and tp.
std::vector<std::string> grown(const RunConfig& cfg, const std::string& axis, std::int64_t times) {
  auto key = [times](const std::string& name, std::int64_t value) {
    return name + "=" + std::to_string(value * times);
  };
  if (axis == "cp" || axis == "tp") return cfg.task->keys_of_scaled_samples(times, 1);
  std::vector<std::string> keys{key("train.batch_size", cfg.train.batch_size)};
  if (axis == "pp") keys.push_back(key("train.accumulate", cfg.train.accumulate));
  return keys;
}

struct Scaling {
  std::string config, axis, out;
  std::vector<std::string> words;
  std::int64_t threads = 1;

  Json row(int ranks, const std::string& kind, const std::vector<std::string>& more) const {
    std::vector<std::string> all{"profile", config, "--json"};
    for (const auto* list : {&words, &more}) all.insert(all.end(), list->begin(), list->end());
    all.push_back("parallel." + axis + "=" + std::to_string(ranks));
    all.push_back("compute.threads=" + std::to_string(threads));
    all.push_back("out=" + out + "/" + kind + "_" + std::to_string(ranks));
    const Finished f = run_ranks(ranks, all);
    check(f.status == 0, "the profile of {} ranks ended with status {}", ranks, f.status);
    const Json p = Json::parse(f.out, "the profile of " + std::to_string(ranks) + " ranks");
    return Json::object({{"ranks", ranks},
                         {"tokens", p["tokens"]},
                         {"seconds", p["step"]["median"]},
                         {"overhead", p["overhead"]["median"]},
                         {"tokens_per_second", p["tokens_per_second"]}});
  }
};

void add_efficiency(Json& row, const Json& first) {
  auto each = [](const Json& r) { return r["tokens_per_second"].number() / double(r["ranks"].integer()); };
  row.set("efficiency", each(row) / each(first));
}

int profile_scaling(const RunConfig& cfg, const Scaling& s, const std::vector<int>& counts, const std::string& title,
                    bool json) {
  Json all = Json::object({{"axis", s.axis}});
  make_folder(s.out);
  for (const std::string kind : {"strong", "weak"}) {
    std::vector<Json> rows;
    for (int n : counts) {
      rows.push_back(s.row(n, kind, kind == "weak" ? grown(cfg, s.axis, n) : std::vector<std::string>()));
      add_efficiency(rows.back(), rows.front());
    }
    all.set(kind, Json::array(rows));
  }
  write_whole(s.out + "/scaling.json", all.dump() + "\n");
  write_whole(s.out + "/scaling.html", scaling_page(all, title));
  show(all, scaling_table(all) + "more in " + s.out + "/scaling.html\n", json);
  return exit_done;
}

}  // namespace

std::string profile_keys() {
  ProfileConfig how;
  return describe(Fields::of(how));
}

int profile_command(const std::string& config, Arguments args, bool json) {
  const ProfileConfig how = taken_from(args);
  const std::string ranks = args.take("ranks"), axis = args.take("scale", "cp"), out_folder = args.take_path("out");
  const RunConfig cfg = RunConfig::load(config, args.overrides);
  const std::string out = out_folder.empty() ? cfg.run.dir + "/profile" : out_folder;
  const std::string title = std::filesystem::path(config).filename().string();
  if (ranks.empty()) return profile_layout(cfg, how, out, title, json);
  check(axis == "pp" || axis == "dp" || axis == "cp" || axis == "tp", "scale={} is not pp, dp, cp or tp", axis);
  const std::vector<int> counts = counts_in(ranks);
  const auto cores = std::int64_t(std::thread::hardware_concurrency());
  Scaling s{config, axis, out, args.overrides, cfg.compute.threads};
  if (s.threads == 0) s.threads = std::max<std::int64_t>(1, cores / std::ranges::max(counts));  // the same for all
  for (const auto& [key, value] : {std::pair("pairs", how.pairs),
                                   {"alone", how.alone},
                                   {"traced", how.traced},
                                   {"product", how.product},
                                   {"copied", how.copied}})
    s.words.push_back(std::string(key) + "=" + std::to_string(value));
  return profile_scaling(cfg, s, counts, title, json);
}

}  // namespace lact
