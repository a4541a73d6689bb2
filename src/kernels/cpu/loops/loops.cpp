// All loops in one object, compiled once per instruction set; LACT_ISA is the namespace.
#include "kernels/cpu/loops/loops.hpp"

#include "kernels/cpu/loops/attention_loops.hpp"
#include "kernels/cpu/loops/pointwise_loops.hpp"
#include "kernels/cpu/loops/product_loops.hpp"
#include "kernels/cpu/loops/reconstruction_loops.hpp"
#include "kernels/cpu/loops/recurrent_loops.hpp"
#include "kernels/cpu/loops/row_loops.hpp"
#include "kernels/cpu/loops/scan_loops.hpp"
#include "kernels/cpu/loops/turn_loops.hpp"

namespace lact::kernels {
namespace {

template <class T>
constexpr Loops<T> loops_of() {
  return {
      .unary = unary_loop<T>,
      .binary = binary_loop<T>,
      .add_to = add_to_loop<T>,
      .add_product = add_product_loop<T>,
      .swiglu = swiglu_loop<T>,
      .swiglu_grad = swiglu_grad_loop<T>,
      .adamw = adamw_loop<T>,
      .sum = sum_loop<T>,
      .sum_of_squares = sum_of_squares_loop<T>,
      .rms_norm = rms_norm_loop<T>,
      .rms_norm_grad = rms_norm_grad_loop<T>,
      .layer_norm = layer_norm_loop<T>,
      .layer_norm_grad = layer_norm_grad_loop<T>,
      .l2_norm = l2_norm_loop<T>,
      .l2_norm_grad = l2_norm_grad_loop<T>,
      .silu_row = silu_row_loop<T>,
      .silu_row_grad = silu_row_grad_loop<T>,
      .rated_gates = rated_gates_loop<T>,
      .rated_gates_grad = rated_gates_grad_loop<T>,
      .reconstruction_grad = reconstruction_grad_loop<T>,
      .reconstruction_grad_grad = reconstruction_grad_grad_loop<T>,
      .softmax = softmax_loop<T>,
      .softmax_grad = softmax_grad_loop<T>,
      .log_sum_exp = log_sum_exp_loop<T>,
      .decayed_scores = decayed_scores_loop<T>,
      .decayed_scores_grad = decayed_scores_grad_loop<T>,
      .scan = scan_loop<T>,
      .scan_grad = scan_grad_loop<T>,
      .column_sums = column_sums_loop<T>,
      .column_squares = column_squares_loop<T>,
      .column_dots = column_dots_loop<T>,
      .column_scale = column_scale_loop<T>,
      .column_mix = column_mix_loop<T>,
      .turn = turn_loop<T>,
      .product = product_loop<T>,
  };
}

template <class To>
constexpr void set_conversions(Conversions::Convert (&row)[5]) {
  row[0] = convert_loop<To, float>;
  row[1] = convert_loop<To, scalar::Bf16>;
  row[2] = convert_loop<To, double>;
  row[3] = convert_loop<To, std::int32_t>;
  row[4] = convert_loop<To, std::uint8_t>;
}
constexpr AllLoops all_loops() {
  AllLoops a{loops_of<float>(), loops_of<double>(), {}, {attention_loop, attention_grad_loop}};
  set_conversions<float>(a.conversions.at[0]);
  set_conversions<scalar::Bf16>(a.conversions.at[1]);
  set_conversions<double>(a.conversions.at[2]);
  set_conversions<std::int32_t>(a.conversions.at[3]);
  set_conversions<std::uint8_t>(a.conversions.at[4]);
  return a;
}

}  // namespace

namespace LACT_ISA {
extern const AllLoops all;
constexpr AllLoops all = all_loops();
}  // namespace LACT_ISA

}  // namespace lact::kernels
