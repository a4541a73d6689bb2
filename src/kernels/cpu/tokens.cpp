// Rows of a table and rotary positions.
#include "kernels/tokens.hpp"

#include <vector>

#include "kernels/cpu/split.hpp"
#include "kernels/layout.hpp"
#include "kernels/pointwise.hpp"
#include "kernels/rotation.hpp"

namespace lact::kernels::cpu {
namespace {
constexpr std::int64_t enough = 8192;  // numbers worth a thread

void check_index(const Tensor& table, const Tensor& index) {
  const std::int32_t* row = index.data<std::int32_t>();
  for (std::int64_t i = 0; i < index.count(); ++i)
    check(row[i] < table.dim(0), "embedding: index {} in a table of {} rows", row[i], table.dim(0));
}
}  // namespace

const Cpu<kernels::embedding> embedding = [](Tensor y, const Tensor& table, const Tensor& index) {
  check_index(table, index);
  const std::int64_t d = y.dim(1);
  for_type(y, "embedding", [&](auto t) {
    using T = decltype(t);
    split(y.dim(0), rows_worth(enough, d), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = index.data<std::int32_t>()[i];
        T* to = y.data<T>() + i * d;
        if (row < 0)
          std::fill_n(to, d, T(0));
        else
          std::copy_n(table.data<T>() + row * d, d, to);
      }
    });
  });
};

// Threads over channels, so that each row's sum is taken in order.
const Cpu<kernels::embedding_grad> embedding_grad = [](Tensor dtable, const Tensor& dy, const Tensor& index) {
  check_index(dtable, index);
  Cpu<kernels::fill>::as_part(dtable, 0.0);
  const std::int64_t d = dy.dim(1), rows = dy.dim(0);
  for_type(dtable, "embedding_grad", [&](auto t) {
    using T = decltype(t);
    split(d, rows_worth(enough, rows), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = 0; i < rows; ++i) {
        const std::int64_t row = index.data<std::int32_t>()[i];
        if (row < 0) continue;
        T* to = dtable.data<T>() + row * d;
        const T* from = dy.data<T>() + i * d;
        for (std::int64_t j = begin; j < end; ++j) to[j] += from[j];
      }
    });
  });
};

const Cpu<kernels::within> within = [](Tensor y, const Tensor& x, std::int64_t first, std::int64_t n) {
  const std::int32_t* from = x.data<std::int32_t>();
  for (std::int64_t i = 0; i < x.count(); ++i)
    y.data<std::int32_t>()[i] = from[i] >= first && from[i] < first + n ? std::int32_t(from[i] - first) : -1;
};

const Cpu<kernels::positions> positions = [](Tensor y, std::int64_t first, std::int64_t period) {
  for (std::int64_t i = 0; i < y.count(); ++i) y.data<std::int32_t>()[i] = std::int32_t((first + i) % period);
};

const Cpu<kernels::turn> turn = [](Tensor y, const Tensor& x, const Tensor& places, Rope rope, bool back) {
  const std::int64_t b = x.dim(0), h = x.dim(1), tokens = x.dim(2), d = x.dim(3);
  std::vector<double> speed;
  for (std::int64_t i = 0; i < d / 2; ++i) speed.push_back(speed_of(rope, i, d));
  for_type(y, "rope", [&](auto zero) {
    using T = decltype(zero);
    const Rows<T> from(x, "rope"), to(y, "rope");
    split(tokens, rows_worth(enough, b * h * d), [&](std::int64_t begin, std::int64_t end) {
      std::vector<T> cos(std::size_t(d / 2)), sin(std::size_t(d / 2));
      for (std::int64_t t = begin; t < end; ++t) {
        for (std::size_t i = 0; i < speed.size(); ++i) {
          const Rotation r = rotation(speed[i], places.data<std::int32_t>()[t], back);
          cos[i] = T(r.cos), sin[i] = T(r.sin);
        }
        for (std::int64_t head = 0; head < b * h; ++head) {
          const T* in = from[head * tokens + t];
          T* out = to[head * tokens + t];
          for (std::int64_t i = 0; i < d / 2; ++i) {
            const Channels c = channels_of(rope, i, d);
            const T u = in[c.a], v = in[c.b];
            out[c.a] = u * cos[std::size_t(i)] - v * sin[std::size_t(i)];
            out[c.b] = v * cos[std::size_t(i)] + u * sin[std::size_t(i)];
          }
        }
      }
    });
  });
};

}  // namespace lact::kernels::cpu
