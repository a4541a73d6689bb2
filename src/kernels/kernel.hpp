// A kernel is declared once, in the header of its family, and defined once per backend:
//
//   // y = value everywhere; y contiguous.                                            kernels/pointwise.hpp
//   inline constinit Kernel<void(Tensor y, double value)> fill{"fill"};
//
//   const Cpu<kernels::fill> fill = [](Tensor y, double value) { ... };               kernels/cpu/pointwise.cpp
//   const Cuda<kernels::fill> fill = [](Tensor y, double value) { ... };              kernels/cuda/pointwise.cu
//
//   kernels::fill(y, 0);                                                              runs where y lives
//
// The first tensor of the signature is a result; it decides which backend computes. A definition enters its function
// into the kernel before main() begins, so nothing lists the kernels, and a backend whose files are not built (CUDA)
// has none. Three more parts are defined in the same way where a kernel needs them: Check, Counted, InParts.
#pragma once
#include <array>
#include <concepts>
#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "tensor/kernel_ledger.hpp"
#include "tensor/tensor.hpp"

namespace lact::kernels {

// What a kernel has, whatever its signature.
class AnyKernel {
 public:
  constexpr explicit AnyKernel(const char* name) : name_(name) {}
  const char* name() const { return name_; }
  bool defined_on(Backend b) const { return defined_[std::size_t(b)]; }
  bool has_parts() const { return defined_.back(); }

  static const std::vector<const AnyKernel*>& all();  // of this program: those of which anything is defined

 protected:
  static constexpr std::size_t backends = 3, parts = backends;
  void enter(std::size_t place);  // a second definition for the same place ends the program
  const char* name_;

 private:
  std::array<bool, backends + 1> defined_{};  // by Backend, and as parts
};

// Many operands come as a struct of names, whose tensors() lists them: results first.
template <class T>
concept Operands = requires(const T& t) {
  t.tensors();
};

// The default of what a kernel costs: it moves each of its tensors once. Numbers that an expanded dim repeats are read
// once.
double bytes_of(const Tensor& t);
template <class T>
double bytes_of(const T& operand) {
  double bytes = 0;
  if constexpr (Operands<T>)
    for (const Tensor* t : operand.tensors()) bytes += bytes_of(*t);
  return bytes;
}

template <class T, class... Rest>
const Tensor& first_tensor(const T& operand, const Rest&... rest) {
  if constexpr (std::same_as<T, Tensor>)
    return operand;
  else if constexpr (Operands<T>)
    return **operand.tensors().begin();
  else
    return first_tensor(rest...);
}

// The name in the ledger: the formula's (Unary, Binary) where the first operand is one.
template <class T, class... Rest>
const char* name_in_ledger(const char* kernel, const T& operand, const Rest&...) {
  if constexpr (std::is_enum_v<T>)
    return name_of(operand);
  else
    return kernel;
}

// Left: the types of the last operands, where a call may leave them out; their values come after the name.
template <class Signature, class... Left>
class Kernel;

template <class... A, class... Left>
class Kernel<void(A...), Left...> : public AnyKernel {
 public:
  using Function = void (*)(A...);
  using Reader = void (*)(const std::remove_cvref_t<A>&...);

  constexpr explicit Kernel(const char* name, Left... left) : AnyKernel(name), left_(left...) {}

  void operator()(A... a) const {
    const Tensor& y = first_tensor(a...);
    check(y.defined(), "the result of the kernel {} is undefined", name_);
    if (checked_ != nullptr) checked_(a...);
    const Backend backend = y.device().backend();
    const Function own = own_[std::size_t(backend)];
    if (own == nullptr && parts_ != nullptr) return parts_(std::forward<A>(a)...);
    check(own != nullptr || backend == Backend::paper, "no {} kernel for {}", name_of(backend), name_);
    KernelLedger* ledger = y.device().ledger();
    if (ledger != nullptr) tell(*ledger, a...);
    if (own == nullptr) return;  // on paper nothing is computed
    own(std::forward<A>(a)...);
    if (ledger != nullptr) ledger->asked();
  }
  // The same with the last operands left out.
  template <class... B>
  requires(sizeof...(B) < sizeof...(A) && sizeof...(B) + sizeof...(Left) >= sizeof...(A)) void operator()(
      B&&... given) const {
    constexpr std::size_t skipped = sizeof...(B) + sizeof...(Left) - sizeof...(A);
    [&]<std::size_t... i>(std::index_sequence<i...>) {
      (*this)(static_cast<B&&>(given)..., std::get<skipped + i>(left_)...);
    }
    (std::make_index_sequence<sizeof...(Left) - skipped>());
  }

  // Within a kernel of this backend: without checks, and the ledger is not told of it.
  void as_part(Backend backend, A... a) const { own_[std::size_t(backend)](std::forward<A>(a)...); }
  void in_parts(A... a) const { parts_(std::forward<A>(a)...); }

  void define(Backend b, Function f) {
    enter(std::size_t(b));
    own_[std::size_t(b)] = f;
  }
  void define_in_parts(Function f) {
    enter(parts);
    parts_ = f;
  }
  void define_check(Reader f) { checked_ = f; }
  void define_cost(Reader f) { cost_ = f; }

 private:
  void tell(KernelLedger& ledger, const std::remove_cvref_t<A>&... a) const {
    if (cost_ != nullptr)
      cost_(a...);
    else
      ledger.charge(KernelLedger::Work::elements, name_in_ledger(name_, a...), 0, (bytes_of(a) + ...));
  }

  std::array<Function, backends> own_{};  // by Backend; none on paper, where nothing is computed
  Function parts_ = nullptr;
  Reader checked_ = nullptr, cost_ = nullptr;
  std::tuple<Left...> left_;
};

// ---- definitions: const objects at namespace scope, each made of a lambda without captures --------------------------

template <auto& kernel, Backend backend>
struct Definition {
  template <class F>
  Definition(F f) {
    kernel.define(backend, f);
  }
  template <class... A>
  static void as_part(A&&... a) {
    kernel.as_part(backend, std::forward<A>(a)...);
  }
};
template <auto& kernel>
using Cpu = Definition<kernel, Backend::cpu>;
template <auto& kernel>
using Cuda = Definition<kernel, Backend::cuda>;

// The kernel as others, one after the other: what runs, and is counted, where a backend has no function for it.
template <auto& kernel>
struct InParts {
  template <class F>
  InParts(F f) {
    kernel.define_in_parts(f);
  }
};

// What is wanted of the operands on every backend. Takes them by const reference.
template <auto& kernel>
struct Check {
  template <class F>
  Check(F f) {
    kernel.define_check(f);
  }
};

// What the kernel costs, told to the ledger of its device; computes nothing. Takes the operands by const reference.
// Without it a kernel costs the bytes of its tensors.
template <auto& kernel>
struct Counted {
  template <class F>
  Counted(F f) {
    kernel.define_cost(f);
  }
};

}  // namespace lact::kernels
