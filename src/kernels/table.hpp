// One struct of function pointers per backend; the functions of the family headers call through it. A null entry is answered with
// "no cuda kernel for x".
#pragma once
#include "kernels/attention.hpp"
#include "kernels/gemm.hpp"
#include "kernels/norm_reduce.hpp"
#include "kernels/pointwise.hpp"
#include "kernels/update.hpp"

namespace lact::kernels {

struct Table {
  decltype(&unary) unary = nullptr;
  decltype(&binary) binary = nullptr;
  decltype(&add_to) add_to = nullptr;
  decltype(&fill) fill = nullptr;
  decltype(&swiglu) swiglu = nullptr;
  decltype(&swiglu_grad) swiglu_grad = nullptr;
  decltype(&swiglu_grad_grad) swiglu_grad_grad = nullptr;
  decltype(&matmul) matmul = nullptr;
  decltype(&sum_to) sum_to = nullptr;
  decltype(&squared_norm) squared_norm = nullptr;
  decltype(&rms_norm) rms_norm = nullptr;
  decltype(&rms_norm_grad) rms_norm_grad = nullptr;
  decltype(&layer_norm) layer_norm = nullptr;
  decltype(&layer_norm_grad) layer_norm_grad = nullptr;
  decltype(&l2_norm) l2_norm = nullptr;
  decltype(&l2_norm_grad) l2_norm_grad = nullptr;
  decltype(&column_norm) column_norm = nullptr;
  decltype(&keep_column_norm) keep_column_norm = nullptr;
  decltype(&keep_column_norm_grad) keep_column_norm_grad = nullptr;
  decltype(&softmax) softmax = nullptr;
  decltype(&softmax_grad) softmax_grad = nullptr;
  decltype(&attention) attention = nullptr;
  decltype(&attention_grad) attention_grad = nullptr;
  decltype(&log_sum_exp) log_sum_exp = nullptr;
  decltype(&pick) pick = nullptr;
  decltype(&place) place = nullptr;
  decltype(&adamw) adamw = nullptr;
};
const Table& cpu_table();
const Table& cuda_table();  // all null where the program was built without CUDA (cuda/absent.cpp)

}  // namespace lact::kernels
