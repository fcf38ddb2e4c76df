#include "runtime/cpu/variants/vector.h"

namespace cairn::CAIRN_ISA {

void gelu(const float* x, float* y, std::int64_t n) {
  for_lanes(n,
            [&](auto get, auto put, std::int64_t) { put(y, gelu_of(get(x))); });
}

void gelu_gradient(float* dy, const float* pre, std::int64_t n) {
  for_lanes(n, [&](auto get, auto put, std::int64_t) {
    put(dy, get(dy) * gelu_slope(get(pre)));
  });
}

void silu_times(const float* gate, const float* up, float* y, std::int64_t n) {
  for_lanes(n, [&](auto get, auto put, std::int64_t) {
    const Floats g = get(gate);
    put(y, g * logistic(g) * get(up));
  });
}

void silu_gradient(const float* dy, const float* gate, const float* up,
                   float* dgate, float* dup, std::int64_t n) {
  for_lanes(n, [&](auto get, auto put, std::int64_t) {
    const Floats g = get(gate);
    const Floats u = get(up);
    const Floats d = get(dy);
    const Floats s = logistic(g);
    put(dgate, d * u * (s + g * s * (1.0F - s)));
    put(dup, d * g * s);
  });
}

void add(const float* x, float* y, std::int64_t n) {
  for_lanes(n,
            [&](auto get, auto put, std::int64_t) { put(y, get(y) + get(x)); });
}

void sum(const float* a, const float* b, float* y, std::int64_t n) {
  for_lanes(n,
            [&](auto get, auto put, std::int64_t) { put(y, get(a) + get(b)); });
}

void multiply(float* y, float by, std::int64_t n) {
  for_lanes(n, [&](auto get, auto put, std::int64_t) { put(y, get(y) * by); });
}

void turn(float* a, float* b, const float* cosine, const float* sine,
          std::int64_t n) {
  for_lanes(n, [&](auto get, auto put, std::int64_t) {
    const Floats x = get(a);
    const Floats y = get(b);
    const Floats c = get(cosine);
    const Floats s = get(sine);
    put(a, x * c - y * s);
    put(b, y * c + x * s);
  });
}

// The factors of dropout come in runs that start at multiples of 4 columns.
template <typename Body>
static inline void for_runs(std::int64_t n, const Body& body) {
  for (std::int64_t i = 0; i < n; i += kDropoutRun) {
    body(i, n - i < kDropoutRun ? n - i : kDropoutRun);
  }
}

void dropout(const float* x, float* y, const DropoutRow& row,
             std::int64_t column, std::int64_t n) {
  float factors[kDropoutRun];
  for_runs(n, [&](std::int64_t i, std::int64_t count) {
    dropout_factors(row, column + i, factors);
    for_lanes(count, [&](auto get, auto put, std::int64_t) {
      put(y + i, get(x + i) * get(factors));
    });
  });
}

static void finish_with_dropout(const LinearRow& row) {
  float factors[kDropoutRun];
  for_runs(row.n, [&](std::int64_t i, std::int64_t count) {
    dropout_factors(*row.dropout, row.column + i, factors);
    for_lanes(count, [&](auto get, auto put, std::int64_t) {
      Floats v = get(row.product + i);
      if (row.bias != nullptr) v = v + get(row.bias + i);
      v = v * get(factors);
      if (row.residual != nullptr) v = v + get(row.residual + i);
      put(row.y + i, v);
    });
  });
}

void finish_linear(const LinearRow& row) {
  if (row.dropout != nullptr) {
    finish_with_dropout(row);
    return;
  }
  for_lanes(row.n, [&](auto get, auto put, std::int64_t) {
    Floats v = get(row.product);
    if (row.bias != nullptr) v = v + get(row.bias);
    if (row.pre != nullptr) put(row.pre, v);
    if (row.gelu) v = gelu_of(v);
    if (row.residual != nullptr) v = v + get(row.residual);
    put(row.y, v);
  });
}

bool finite(const float* x, std::int64_t n) {
  int bad = 0;
#pragma omp simd reduction(+ : bad)
  for (std::int64_t i = 0; i < n; ++i) {
    bad += (x[i] - x[i] == 0.0F) ? 0 : 1;
  }
  return bad == 0;
}

}  // namespace cairn::CAIRN_ISA
