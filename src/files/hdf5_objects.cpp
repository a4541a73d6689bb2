#include "files/hdf5_objects.hpp"

#include <hdf5.h>

#include <algorithm>
#include <set>

namespace lact::hdf5 {
namespace {

static_assert(sizeof(hid_t) == sizeof(std::int64_t) && sizeof(herr_t) == sizeof(int), "as the header has them");

// The struct of H5Oget_info2 has another name since version 1.12, but the same members.
template <class Info>
Info struct_of(herr_t (*)(hid_t, Info*, unsigned));
using ObjectInfo = decltype(struct_of(&H5Oget_info2));

void check_plain(H5L_type_t type, const std::string& path, const std::string& name) {
  if (type == H5L_TYPE_HARD) return;
  const char* kind = type == H5L_TYPE_SOFT ? "soft" : type == H5L_TYPE_EXTERNAL ? "external" : "user-defined";
  fail("{}: is damaged: '{}' is a link ({}), and links are not followed", path, name, kind);
}

struct Link {
  std::string name;
  H5L_type_t type;
};

std::vector<Link> links_of(hid_t group, const std::string& path) {
  std::vector<Link> all;
  auto take = [](hid_t, const char* name, const auto* i, void* out) -> herr_t {
    static_cast<std::vector<Link>*>(out)->push_back({name, i->type});
    return 0;
  };
  ok(H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, take, &all), path, "is damaged");
  return all;
}

class Walk {
 public:
  Walk(hid_t file, const std::string& path) : path_(path) { visit(file, "", 0); }
  std::vector<std::string> datasets;

 private:
  void visit(hid_t group, const std::string& below, int depth) {
    constexpr int deepest = 32;
    check(depth <= deepest, "{}: is damaged: groups stand in each other more than {} deep", path_, deepest);
    first_visit(group, below);
    for (const Link& link : links_of(group, path_)) {
      const std::string name = below.empty() ? link.name : below + "/" + link.name;
      check_plain(link.type, path_, name);
      const Handle object(ok(H5Oopen(group, link.name.c_str(), H5P_DEFAULT), path_, "'" + name + "' is damaged"),
                          H5Oclose);
      const H5I_type_t type = H5Iget_type(object);
      if (type == H5I_GROUP) visit(object, name, depth + 1);
      if (type != H5I_DATASET) continue;
      first_visit(object, name);
      datasets.push_back(name);
    }
  }
  void first_visit(hid_t object, const std::string& name) {
    ObjectInfo i;
    ok(H5Oget_info2(object, &i, H5O_INFO_BASIC), path_, "'" + name + "' is damaged");
    check(seen_.insert(i.addr).second, "{}: is damaged: '{}' is another name of what has one already", path_, name);
  }
  const std::string& path_;
  std::set<haddr_t> seen_;
};

}  // namespace

std::string reason() {
  std::string why = "no reason given";
  auto first = [](unsigned depth, const H5E_error2_t* e, void* out) -> herr_t {
    if (depth == 0 && e->desc != nullptr) *static_cast<std::string*>(out) = e->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first, &why);
  constexpr std::string_view quote = "error message = '";
  auto begin = why.find(quote);
  if (begin == std::string::npos) return why;
  begin += quote.size();
  return why.substr(begin, why.find('\'', begin) - begin);
}

bool has_dataset(std::int64_t file, const std::string& path, const std::string& name) {
  for (std::size_t slash = 0; slash != name.npos;) {
    slash = name.find('/', slash + 1);
    const std::string part = name.substr(0, slash);
    if (H5Lexists(file, part.c_str(), H5P_DEFAULT) <= 0) return false;
    H5L_info_t link;
    ok(H5Lget_info(file, part.c_str(), &link, H5P_DEFAULT), path, "is damaged");
    check_plain(link.type, path, part);
  }
  const Handle object(H5Oopen(file, name.c_str(), H5P_DEFAULT), H5Oclose);
  return object >= 0 && H5Iget_type(object) == H5I_DATASET;
}

std::vector<std::string> dataset_names(std::int64_t file, const std::string& path) {
  std::vector<std::string> all = std::move(Walk(file, path).datasets);
  std::ranges::sort(all);
  return all;
}

void check_own_numbers(std::int64_t dataset, const std::string& named) {
  const Handle plan(ok(H5Dget_create_plist(dataset), named, "is damaged"), H5Pclose);
  check(H5Pget_layout(plan) != H5D_VIRTUAL && H5Pget_external_count(plan) <= 0,
        "{} is damaged: its numbers stand in other files, which are not followed", named);
  for (int i = 0; i < H5Pget_nfilters(plan); ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(plan, unsigned(i), &flags, &values, nullptr, 0, nullptr, nullptr);
    check(filter >= 0 && filter < H5Z_FILTER_RESERVED,
          "{} is damaged: it needs the filter {}, and plugins are not loaded", named, filter);
  }
}

}  // namespace lact::hdf5
