#include <filesystem>
#include <iostream>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "verify/golden/golden.hpp"

namespace lact {

int verify_golden_command(Arguments args, bool json) {
  std::string data = args.take_path("data");
  Backend backend = backend_named(args.take("compute.device", "cpu"));
  check(args.overrides.empty(), "unknown key '{}'; verify golden takes data=DIR and compute.device=cpu|cuda",
        args.overrides.empty() ? "" : args.overrides[0]);
  if (args.plain.empty()) args.plain = {"tests/golden"};
  auto device = Device::open(backend);
  set_threads(0);
  std::vector<golden::Row> rows;
  for (const std::string& file : golden::files_at(args.plain)) rows.push_back(golden::run(file, *device, data));
  int failed = 0;
  Json list = Json::array();
  if (!json)
    std::cout << fill("{:<40} {:>8} {:>5} {:>5} {:>10} {:>8}  {}\n",
                      {"file", "compared", "read", "info", "worst", "bound", "result"});
  for (const golden::Row& r : rows) {
    failed += !r.failure.empty();
    std::string result = r.failure.empty() ? "ok (" + r.worst_tensor + ")" : "FAILED: " + r.failure;
    if (json) {
      list.push(Json::object({{"file", r.file},
                              {"family", r.family},
                              {"compared", r.compared},
                              {"read", r.read},
                              {"information", r.information},
                              {"worst", r.worst},
                              {"bound", r.bound},
                              {"worst_tensor", r.worst_tensor},
                              {"ok", r.failure.empty()},
                              {"failure", r.failure}}));
    } else {
      std::cout << fill("{:<40} {:>8} {:>5} {:>5} {:>10.2e} {:>8.0e}  {}\n",
                        {std::filesystem::path(r.file).filename().string(), r.compared, r.read, r.information, r.worst,
                         r.bound, result});
    }
  }
  if (json)
    std::cout << Json::object({{"files", rows.size()}, {"failed", failed}, {"rows", list}}).dump() << "\n";
  else
    std::cout << fill("{} files, {} failed, on {}\n", {rows.size(), failed, device->name()});
  return failed == 0 ? exit_done : exit_error;
}

}  // namespace lact
