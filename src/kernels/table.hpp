// One struct of function pointers per backend; the functions of the family headers call through it. A null entry is
// answered with "no cuda kernel for x".
#pragma once
#include "kernels/attention.hpp"
#include "kernels/embedding.hpp"
#include "kernels/gated_products.hpp"
#include "kernels/gemm.hpp"
#include "kernels/norm_reduce.hpp"
#include "kernels/pointwise.hpp"
#include "kernels/update.hpp"

namespace lact::kernels {

struct Table {
  decltype(&kernels::unary) unary = nullptr;
  decltype(&kernels::binary) binary = nullptr;
  decltype(&kernels::add_to) add_to = nullptr;
  decltype(&kernels::fill) fill = nullptr;
  decltype(&kernels::add_transposed) add_transposed = nullptr;
  decltype(&kernels::swiglu) swiglu = nullptr;
  decltype(&kernels::swiglu_grad) swiglu_grad = nullptr;
  decltype(&kernels::rated_gates) rated_gates = nullptr;
  decltype(&kernels::rated_gates_grad) rated_gates_grad = nullptr;
  decltype(&kernels::matmul_add) matmul_add = nullptr;
  decltype(&kernels::swiglu_products) swiglu_products = nullptr;
  decltype(&kernels::swiglu_grad_product) swiglu_grad_product = nullptr;
  decltype(&kernels::rated_gates_product) rated_gates_product = nullptr;
  decltype(&kernels::gelu_product) gelu_product = nullptr;
  decltype(&kernels::gelu_grad_product) gelu_grad_product = nullptr;
  decltype(&kernels::sum_to) sum_to = nullptr;
  decltype(&kernels::squared_norm) squared_norm = nullptr;
  decltype(&kernels::rms_norm) rms_norm = nullptr;
  decltype(&kernels::rms_norm_grad) rms_norm_grad = nullptr;
  decltype(&kernels::layer_norm) layer_norm = nullptr;
  decltype(&kernels::layer_norm_grad) layer_norm_grad = nullptr;
  decltype(&kernels::add_layer_norm) add_layer_norm = nullptr;
  decltype(&kernels::l2_norm) l2_norm = nullptr;
  decltype(&kernels::l2_norm_grad) l2_norm_grad = nullptr;
  decltype(&kernels::silu_rows) silu_rows = nullptr;
  decltype(&kernels::silu_rows_grad) silu_rows_grad = nullptr;
  decltype(&kernels::column_norm) column_norm = nullptr;
  decltype(&kernels::keep_column_norm) keep_column_norm = nullptr;
  decltype(&kernels::keep_column_norm_grad) keep_column_norm_grad = nullptr;
  decltype(&kernels::softmax) softmax = nullptr;
  decltype(&kernels::softmax_grad) softmax_grad = nullptr;
  decltype(&kernels::attention) attention = nullptr;
  decltype(&kernels::attention_grad) attention_grad = nullptr;
  decltype(&kernels::log_sum_exp) log_sum_exp = nullptr;
  decltype(&kernels::pick) pick = nullptr;
  decltype(&kernels::place) place = nullptr;
  decltype(&kernels::has_index) has_index = nullptr;
  decltype(&kernels::rays) rays = nullptr;
  decltype(&kernels::view_tokens) view_tokens = nullptr;
  decltype(&kernels::judge) judge = nullptr;
  decltype(&kernels::adamw) adamw = nullptr;
};
const Table& cpu_table();
const Table& cuda_table();  // all null where the program was built without CUDA (cuda/absent.cpp)
const Table& paper_table();
const Table& costs_table();  // tells a device's ledger what its kernels take, and does nothing

}  // namespace lact::kernels
