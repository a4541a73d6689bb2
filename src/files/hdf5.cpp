#include "files/hdf5.hpp"

#include <hdf5.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <utility>

#include "base/check.hpp"
#include "base/file_work.hpp"
#include "files/hdf5_objects.hpp"
#include "files/row_major.hpp"
#include "files/whole_file.hpp"

namespace lact {

using hdf5::Handle, hdf5::ok, hdf5::reason;

namespace {

constexpr const char* type_key = "dtype";  // set to "bf16" on datasets whose 16-bit integers are bf16

// The library must not tidy up at the end: a file that could not be closed (full disk) would crash it there. Not at
// exit, and not in MPI_Finalize, to which it ties itself when it finds MPI running; so it starts before main does. It
// loads no plugins: a file could name any.
[[maybe_unused]] const herr_t started = (H5dont_atexit(), H5open(), H5PLset_loading_state(0));

// One call at a time, as the library wants where it was built without locks, and no printing of its own.
class Turn {
 public:
  Turn() : lock_(mutex()) { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

 private:
  static std::mutex& mutex() {
    static std::mutex m;
    return m;
  }
  std::lock_guard<std::mutex> lock_;
};

static_assert(std::endian::native == std::endian::little, "one type for the file and the memory");
hid_t type_of(DType t) {
  switch (t) {
    case DType::f32:
      return H5T_IEEE_F32LE;
    case DType::f64:
      return H5T_IEEE_F64LE;
    case DType::i32:
      return H5T_STD_I32LE;
    case DType::bf16:
      return H5T_STD_U16LE;
    case DType::u8:
      return H5T_STD_U8LE;
  }
  return -1;
}

std::vector<hsize_t> sizes(const Shape& s) { return {s.begin(), s.end()}; }

Handle space_of(const Shape& s) {
  if (s.empty()) return {H5Screate(H5S_SCALAR), H5Sclose};
  return {H5Screate_simple(int(s.size()), sizes(s).data(), nullptr), H5Sclose};
}

// Empty parts, "." and zero bytes mean something else to the library than to us.
void check_name(const std::string& file, const std::string& name) {
  bool good = !name.empty() && name.find('\0') == name.npos;
  for (std::size_t begin = 0; good && begin <= name.size();) {
    std::size_t end = std::min(name.find('/', begin), name.size());
    std::string_view part = std::string_view(name).substr(begin, end - begin);
    good = !part.empty() && part != ".";
    begin = end + 1;
  }
  check(good, "{}: '{}' cannot be the name of a dataset", file, name);
}

Handle text_type(std::size_t bytes) {
  Handle t(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(t, std::max<std::size_t>(bytes, 1));  // the library has no empty texts
  H5Tset_strpad(t, H5T_STR_NULLPAD);
  H5Tset_cset(t, H5T_CSET_UTF8);
  return t;
}

void write_attribute(hid_t object, const std::string& key, const Hdf5File::Attribute& value, const std::string& owner) {
  const auto* text = std::get_if<std::string>(&value);
  const auto* integer = std::get_if<std::int64_t>(&value);
  Handle type = text ? text_type(text->size()) : Handle(H5Tcopy(integer ? H5T_STD_I64LE : H5T_IEEE_F64LE), H5Tclose);
  const void* from = text ? static_cast<const void*>(text->c_str())  // of an empty text its closing zero
                          : std::visit([](const auto& v) -> const void* { return &v; }, value);
  Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  std::string what = "attribute '" + key + "' cannot be written";
  if (H5Aexists(object, key.c_str()) > 0) ok(H5Adelete(object, key.c_str()), owner, what);
  Handle a(ok(H5Acreate2(object, key.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), owner, what), H5Aclose);
  ok(H5Awrite(a, type, from), owner, what);
  ok(H5Aclose(a.release()), owner, what);
}

Handle open_attribute(hid_t object, const std::string& key, H5T_class_t wanted, std::string_view kind,
                      const std::string& owner) {
  check(H5Aexists(object, key.c_str()) > 0, "{}: attribute '{}' is missing", owner, key);
  Handle a(ok(H5Aopen(object, key.c_str(), H5P_DEFAULT), owner, "attribute '" + key + "' cannot be read"), H5Aclose);
  Handle type(H5Aget_type(a), H5Tclose), space(H5Aget_space(a), H5Sclose);
  check(H5Tget_class(type) == wanted && H5Tis_variable_str(type) <= 0 && H5Sget_simple_extent_npoints(space) == 1,
        "{}: attribute '{}' is not {}", owner, key, kind);
  return a;
}

std::string read_text_attribute(hid_t object, const std::string& key, const std::string& owner) {
  Handle a = open_attribute(object, key, H5T_STRING, "text of a fixed length", owner);
  Handle type(H5Aget_type(a), H5Tclose);
  std::size_t bytes = H5Tget_size(type);
  constexpr std::size_t most = 16 << 20;  // a config has thousands
  check(bytes > 0 && bytes <= std::min<std::size_t>(most, H5Aget_storage_size(a)), "{}: attribute '{}' is damaged",
        owner, key);
  std::string text(bytes, '\0');
  ok(H5Aread(a, type, text.data()), owner, "attribute '" + key + "' cannot be read");
  text.erase(std::find_if(text.rbegin(), text.rend(), [](char c) { return c != '\0'; }).base(), text.end());
  return text;
}

Handle access() {
  Handle a(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_libver_bounds(a, H5F_LIBVER_V18, H5F_LIBVER_LATEST);  // from 1.8 on, metadata carries checksums
  H5Pset_fclose_degree(a, H5F_CLOSE_STRONG);
  H5Pset_file_locking(a, false, true);  // files are replaced by renaming, and network folders often have no locks
  return a;
}

}  // namespace

struct Hdf5File::Handles {
  std::string path;
  Handle file;

  std::string named(const std::string& dataset) const {
    return dataset.empty() ? path : path + ": dataset '" + dataset + "'";
  }
  bool has(const std::string& name) const { return hdf5::has_dataset(file, path, name); }
  Handle dataset(const std::string& name) const {
    check_name(path, name);
    check(has(name), "{}: there is no dataset '{}'", path, name);
    Handle d(ok(H5Dopen2(file, name.c_str(), H5P_DEFAULT), named(name), "cannot be opened"), H5Dclose);
    hdf5::check_own_numbers(d, named(name));
    return d;
  }
  Handle object(const std::string& name) const {  // "" is the file
    if (!name.empty()) return dataset(name);
    return {ok(H5Oopen(file, "/", H5P_DEFAULT), path, "cannot be opened"), H5Oclose};
  }
  DType type(hid_t dataset, const std::string& name) const;
  Info info(hid_t dataset, const std::string& name) const;
  Handle make(const std::string& name, const Shape& shape, DType t) const;
  Handle slab(hid_t dataset, const std::string& name, const Shape& start, const Shape& count) const;
};

DType Hdf5File::Handles::type(hid_t dataset, const std::string& name) const {
  Handle t(H5Dget_type(dataset), H5Tclose);
  H5T_class_t kind = H5Tget_class(t);
  std::size_t bytes = H5Tget_size(t);
  if (kind == H5T_FLOAT && bytes == 4) return DType::f32;
  if (kind == H5T_FLOAT && bytes == 8) return DType::f64;
  if (kind == H5T_INTEGER && bytes == 4 && H5Tget_sign(t) == H5T_SGN_2) return DType::i32;
  if (kind == H5T_INTEGER && bytes == 1 && H5Tget_sign(t) == H5T_SGN_NONE) return DType::u8;
  bool marked = kind == H5T_INTEGER && bytes == 2 && H5Aexists(dataset, type_key) > 0 &&
                read_text_attribute(dataset, type_key, named(name)) == name_of(DType::bf16);
  check(marked, "{} is neither f32, f64, i32, u8 nor bf16", named(name));
  return DType::bf16;
}

Hdf5File::Info Hdf5File::Handles::info(hid_t dataset, const std::string& name) const {
  Info i{.shape = {}, .dtype = type(dataset, name), .bytes = 0};
  Handle space(H5Dget_space(dataset), H5Sclose);
  H5S_class_t kind = H5Sget_simple_extent_type(space);
  check(kind == H5S_SCALAR || kind == H5S_SIMPLE, "{} has no shape", named(name));
  std::vector<hsize_t> dims(std::size_t(std::max(0, H5Sget_simple_extent_ndims(space))));
  if (!dims.empty()) H5Sget_simple_extent_dims(space, dims.data(), nullptr);
  for (hsize_t d : dims) i.shape.push_back(std::int64_t(d));
  auto bytes = bytes_of(i.shape, size_of(i.dtype));
  check(bytes.has_value(), "{} has the impossible shape {}", named(name), text_of(i.shape));
  Handle plan(H5Dget_create_plist(dataset), H5Pclose);
  hsize_t whole = 0;
  ok(H5Fget_filesize(file, &whole), path, "is damaged");
  constexpr hsize_t most_deflated = 1032;  // bytes of one
  const hsize_t has = H5Pget_layout(plan) == H5D_CHUNKED ? whole * most_deflated
                                                         : std::min<hsize_t>(whole, H5Dget_storage_size(dataset));
  check(std::uint64_t(*bytes) <= has, "{} of shape {} wants {} bytes but has {}", named(name), text_of(i.shape), *bytes,
        std::int64_t(has));
  i.bytes = *bytes;
  return i;
}

Handle Hdf5File::Handles::make(const std::string& name, const Shape& shape, DType t) const {
  check_name(path, name);
  check(!has(name), "{} is there already", named(name));
  check(bytes_of(shape, size_of(t)).has_value(), "{} cannot have the shape {}", named(name), text_of(shape));
  Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose), plan(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links, 1);
  H5Pset_alloc_time(plan, H5D_ALLOC_TIME_EARLY);  // so that the storage always has the size of the shape
  Handle space = space_of(shape);
  Handle d(
      ok(H5Dcreate2(file, name.c_str(), type_of(t), space, links, plan, H5P_DEFAULT), named(name), "cannot be created"),
      H5Dclose);
  if (t == DType::bf16) write_attribute(d, type_key, std::string(name_of(t)), named(name));
  return d;
}

// The dataset's space with the slab selected.
Handle Hdf5File::Handles::slab(hid_t dataset, const std::string& name, const Shape& start, const Shape& count) const {
  Info whole = info(dataset, name);
  bool inside = start.size() == whole.shape.size() && count.size() == whole.shape.size();
  for (std::size_t d = 0; inside && d < start.size(); ++d)
    inside = start[d] >= 0 && count[d] >= 0 && start[d] <= whole.shape[d] && count[d] <= whole.shape[d] - start[d];
  check(inside, "{} of shape {} has no slab of {} at {}", named(name), text_of(whole.shape), text_of(count),
        text_of(start));
  Handle space(H5Dget_space(dataset), H5Sclose);
  if (!start.empty())
    ok(H5Sselect_hyperslab(space, H5S_SELECT_SET, sizes(start).data(), nullptr, sizes(count).data(), nullptr),
       named(name), "the slab cannot be selected");
  return space;
}

Hdf5File::Hdf5File(std::string path, std::unique_ptr<Handles> handles)
    : path_(std::move(path)), handles_(std::move(handles)) {}
Hdf5File::Hdf5File(Hdf5File&&) noexcept = default;
Hdf5File& Hdf5File::operator=(Hdf5File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(handles_, other.handles_);  // closed when `other` goes
  return *this;
}
Hdf5File::~Hdf5File() {
  Turn turn;
  handles_.reset();
}

std::string hdf5_version() {
  Turn turn;
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return sentence("HDF5 {}.{}.{}", major, minor, release);
}

Hdf5File Hdf5File::create(const std::string& path) {
  const FileWork work("writing", path);
  Turn turn;
  Handle a = access();
  hid_t f = ok(H5Fcreate(path.c_str(), H5F_ACC_EXCL, H5P_DEFAULT, a), path, "cannot be written");
  return {path, std::make_unique<Handles>(path, Handle(f, H5Fclose))};
}

Hdf5File Hdf5File::open(const std::string& path) {
  const FileWork work("opening", path);
  FileReader readable(path);  // says it better when it is not
  Turn turn;
  Handle a = access();
  check(H5Fis_hdf5(path.c_str()) > 0, "{}: is not an HDF5 file", path);
  hid_t f = ok(H5Fopen(path.c_str(), H5F_ACC_RDONLY, a), path, "is damaged");
  return {path, std::make_unique<Handles>(path, Handle(f, H5Fclose))};
}

Hdf5File::Handles& Hdf5File::opened() const {
  check(handles_ != nullptr, "{}: is closed", path_);
  return *handles_;
}

void Hdf5File::close() {
  const FileWork work("writing", path_);
  Turn turn;
  Handles& h = opened();
  herr_t flushed = H5Fflush(h.file, H5F_SCOPE_GLOBAL);
  std::string why = flushed < 0 ? reason() : "";
  herr_t closed = H5Fclose(h.file.release());
  if (why.empty() && closed < 0) why = reason();
  handles_.reset();
  check(why.empty(), "{}: cannot be written ({})", path_, why);
}

std::vector<std::string> Hdf5File::names() const {
  Turn turn;
  return hdf5::dataset_names(opened().file, path_);
}

bool Hdf5File::has(const std::string& name) const {
  Turn turn;
  check_name(path_, name);
  return opened().has(name);
}

Hdf5File::Info Hdf5File::info(const std::string& name) const {
  Turn turn;
  return opened().info(opened().dataset(name), name);
}

void Hdf5File::put(const std::string& name, const Tensor& t) {
  create_dataset(name, t.shape(), t.dtype());
  write_slab(name, Shape(t.shape().size(), 0), t);
}

Tensor Hdf5File::get(const std::string& name, Device& d) const {
  Shape whole = info(name).shape;
  return read_slab(name, Shape(whole.size(), 0), whole, d);
}

void Hdf5File::create_dataset(const std::string& name, const Shape& shape, DType t) {
  Turn turn;
  Handles& h = opened();
  ok(H5Dclose(h.make(name, shape, t).release()), h.named(name), "cannot be created");
}

void Hdf5File::write_slab(const std::string& name, const Shape& start, const Tensor& t) {
  Turn turn;
  Handles& h = opened();
  Handle d = h.dataset(name);
  DType stored = h.type(d, name);
  check(stored == t.dtype(), "{} is {} and takes no {}", h.named(name), name_of(stored), name_of(t.dtype()));
  Handle in_file = h.slab(d, name, start, t.shape()), in_memory = space_of(t.shape());
  Tensor packed = row_major(t);
  if (t.count() > 0)
    ok(H5Dwrite(d, type_of(stored), in_memory, in_file, H5P_DEFAULT, packed.raw()), h.named(name), "cannot be written");
  ok(H5Dclose(d.release()), h.named(name), "cannot be written");  // small writes are held back until here
}

std::int64_t Hdf5File::place(const std::string& name) const {
  Turn turn;
  Handles& h = opened();
  Handle d = h.dataset(name);
  if (h.info(d, name).bytes == 0) return 0;
  haddr_t begin = H5Dget_offset(d);
  check(begin != HADDR_UNDEF, "{} does not stand in one piece", h.named(name));
  return std::int64_t(begin);
}

Tensor Hdf5File::read_slab(const std::string& name, const Shape& start, const Shape& count, Device& device) const {
  if (device.backend() != Backend::cpu) return read_slab(name, start, count, device.host()).on(device);
  Turn turn;
  Handles& h = opened();
  Handle d = h.dataset(name);
  DType stored = h.type(d, name);
  Handle in_file = h.slab(d, name, start, count), in_memory = space_of(count);
  Tensor t = Tensor::empty(device, count, stored);
  if (t.count() > 0)
    ok(H5Dread(d, type_of(stored), in_memory, in_file, H5P_DEFAULT, t.raw()), h.named(name), "cannot be read");
  return t;
}

void Hdf5File::set_attribute(const std::string& key, const Attribute& value, const std::string& dataset) {
  Turn turn;
  write_attribute(opened().object(dataset), key, value, opened().named(dataset));
}

bool Hdf5File::has_attribute(const std::string& key, const std::string& dataset) const {
  Turn turn;
  return H5Aexists(opened().object(dataset), key.c_str()) > 0;
}

std::int64_t Hdf5File::integer(const std::string& key, const std::string& dataset) const {
  Turn turn;
  Handle object = opened().object(dataset);
  std::string owner = opened().named(dataset);
  std::int64_t i = 0;
  Handle a = open_attribute(object, key, H5T_INTEGER, "an integer", owner);
  ok(H5Aread(a, H5T_NATIVE_INT64, &i), owner, "attribute '" + key + "' cannot be read");
  return i;
}

double Hdf5File::number(const std::string& key, const std::string& dataset) const {
  Turn turn;
  Handle object = opened().object(dataset);
  std::string owner = opened().named(dataset);
  double x = 0;
  Handle a = open_attribute(object, key, H5T_FLOAT, "a number", owner);
  ok(H5Aread(a, H5T_NATIVE_DOUBLE, &x), owner, "attribute '" + key + "' cannot be read");
  return x;
}

std::string Hdf5File::text(const std::string& key, const std::string& dataset) const {
  Turn turn;
  return read_text_attribute(opened().object(dataset), key, opened().named(dataset));
}

}  // namespace lact
