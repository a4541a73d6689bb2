#include <filesystem>

#include "app/commands.hpp"
#include "base/check.hpp"
#include "base/log.hpp"
#include "parallel/launch/launcher.hpp"

namespace lact {

std::string config_file(const std::string& named) {
  namespace fs = std::filesystem;
  std::error_code none;
  const fs::path here = named, program = fs::read_symlink("/proc/self/exe", none),
                 data = (program.parent_path() / LACT_WAY_TO_DATA).lexically_normal(), installed = data / here;
  if (program.empty() || here.is_absolute() || fs::exists(here, none) || !fs::is_directory(data, none)) return named;
  check(fs::exists(installed, none), "{}: cannot be read (there is no such file); installed ones are in {}", named,
        (data / "configs").string());
  if (launch_of().rank == 0) log::info("{} is not in this folder; {} is read", named, installed.string());
  return installed.string();
}

}  // namespace lact
