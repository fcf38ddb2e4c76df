#include "runtime/cpu/variants/vector.h"

namespace cairn::CAIRN_ISA {
namespace {

// The sum over the row of value(get), a padded lane counting 0.
template <typename Value>
[[gnu::always_inline]] inline float row_sum(std::int64_t n,
                                            const Value& value) {
  Floats acc = {};
  for_lanes(n, [&](auto get, auto, std::int64_t i) {
    Floats v = value(get);
    for (std::int64_t lane = n - i; lane < kLanes; ++lane) v[lane] = 0.0F;
    acc = acc + v;
  });
  return total(acc);
}

void add_branch(const NormRow& row) {
  if (row.dropout == nullptr) {
    sum(row.x, row.branch, row.sum, row.n);
    return;
  }
  float factors[kDropoutRun];
  for (std::int64_t i = 0; i < row.n; i += kDropoutRun) {
    const std::int64_t left = row.n - i;
    dropout_factors(*row.dropout, i, factors);
    for_lanes(left < kDropoutRun ? left : kDropoutRun, [&](auto get, auto put,
                                                           std::int64_t) {
      put(row.sum + i, get(row.x + i) + get(row.branch + i) * get(factors));
    });
  }
}

}  // namespace

float dot(const float* a, const float* b, std::int64_t n) {
  Floats acc = {};
  for_lanes(n,
            [&](auto get, auto, std::int64_t) { acc = acc + get(a) * get(b); });
  return total(acc);
}

void norm(NormRow& row) {
  const float* x = row.x;
  if (row.branch != nullptr) {
    add_branch(row);
    x = row.sum;
  }
  const auto width = static_cast<float>(row.n);
  row.mean = 0.0F;
  if (!row.rms) {
    row.mean = row_sum(row.n, [&](auto get) { return get(x); }) / width;
  }
  const float mean = row.mean;
  const float squares = row_sum(row.n, [&](auto get) {
    const Floats d = get(x) - mean;
    return d * d;
  });
  row.deviation = 1.0F / __builtin_sqrtf(squares / width + row.epsilon);
  const float inverse = row.deviation;
  for_lanes(row.n, [&](auto get, auto put, std::int64_t) {
    Floats v = (get(x) - mean) * inverse * (get(row.weight) + 1.0F);
    if (row.bias != nullptr) v = v + get(row.bias);
    put(row.y, v);
  });
}

void norm_gradient(const NormGradientRow& row) {
  Floats sums = {};
  Floats products = {};
  const float mean = row.mean;
  const float inverse = row.deviation;
  for_lanes(row.n, [&](auto get, auto put, std::int64_t) {
    const Floats dy = get(row.dy);
    const Floats hat = (get(row.x) - mean) * inverse;
    const Floats g = dy * (get(row.weight) + 1.0F);
    sums = sums + g;
    products = products + g * hat;
    put(row.dweight, get(row.dweight) + dy * hat);
    put(row.dbias, get(row.dbias) + dy);
  });
  const auto width = static_cast<float>(row.n);
  const float offset = row.rms ? 0.0F : total(sums) / width;
  const float slope = total(products) / width;
  for_lanes(row.n, [&](auto get, auto put, std::int64_t) {
    const Floats hat = (get(row.x) - mean) * inverse;
    const Floats g = get(row.dy) * (get(row.weight) + 1.0F);
    Floats v = (g - offset - hat * slope) * inverse;
    if (row.residual != nullptr) v = v + get(row.residual);
    put(row.dx, v);
  });
}

}  // namespace cairn::CAIRN_ISA
