// Embedding, and the scattering of its gradient's rows.

#include <algorithm>

#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/math.cuh"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

constexpr int kSamplesAtOnce = 4;

template <typename T>
struct LookUp {
  const std::int32_t* tokens;
  const T* table;
  const T* positions;
  T* y;
  std::int64_t width;
  std::int64_t sequence;
  std::int64_t rows;
  Draw draw;
  bool wide;

  // A lane at column c of the tokens at a position, of `sample` and those that
  // follow: loads side by side, and one for the position.
  __device__ void operator()(std::int64_t sample, std::int64_t at,
                             std::int64_t c) const {
    constexpr int N = kLanes<T>;
    const std::int64_t row = sample * sequence + at;
    const std::int64_t left = width - c;
    PackedLane<T> lanes[kSamplesAtOnce];
#pragma unroll
    for (int k = 0; k < kSamplesAtOnce; ++k) {
      const std::int64_t r = row + k * sequence;
      if (r >= rows) continue;
      lanes[k] = load_lane(table + tokens[r] * width + c, left, wide);
    }
    PackedLane<T> position;
    if (positions != nullptr) {
      position = load_lane(positions + at * width + c, left, wide);
    }
#pragma unroll
    for (int k = 0; k < kSamplesAtOnce; ++k) {
      const std::int64_t r = row + k * sequence;
      if (r >= rows) continue;
      float v[N];
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] = lanes[k][i] + position[i];
      drop(draw, r, c, v);
      store(y + r * width + c, left, wide, v);
    }
  }
};

template <typename T>
void look_up(const Lane& lane, const EmbeddingForward& op) {
  LookUp<T> work = {};
  work.tokens = op.tokens.as<std::int32_t>();
  work.table = data_of<T>(op.table);
  work.positions = data_of<T>(op.positions);
  work.y = data_of<T>(op.y);
  work.rows = op.y.shape[0];
  work.width = op.y.shape[1];
  // Without samples to go by, any distance will do.
  const bool whole = op.sequence > 0 && work.rows % op.sequence == 0;
  work.sequence = whole ? op.sequence : work.rows;
  work.draw = draw_of(op.dropout, op.sequence);
  work.wide = is_wide(work.width, op.table, op.positions, op.y);
  const auto sequence = static_cast<std::uint32_t>(work.sequence);
  const std::int64_t samples = work.rows / std::max<std::int64_t>(1, sequence);
  const std::int64_t groups = (samples + kSamplesAtOnce - 1) / kSamplesAtOnce;
  for_rows<kLanes<T>>(
      lane.stream, groups * sequence, work.width,
      [=] __device__(std::int64_t r, std::int64_t c, std::int64_t) {
        const auto piece = static_cast<std::uint32_t>(r);
        work(piece / sequence * kSamplesAtOnce, piece % sequence, c);
      });
  check_launch("embedding_forward");
}

}  // namespace

void run(const Lane& lane, const EmbeddingForward& op) {
  by_type(op.y.dtype, [&](auto zero) { look_up<decltype(zero)>(lane, op); });
}

void run(const Lane& lane, const ScatterRows& op) {
  if (!op.accumulate) run_fill(lane, op.dtable, 0.0F);
  constexpr int N = 4;
  const std::int64_t width = op.drows.shape[1];
  const bool wide = is_wide(width, op.drows, op.dtable);
  const float* drows = op.drows.as<float>();
  const std::int32_t* tokens = op.tokens.as<std::int32_t>();
  float* dtable = op.dtable.as<float>();
  for_rows<N>(
      lane.stream, op.drows.shape[0], width,
      [=] __device__(std::int64_t u, std::int64_t c, std::int64_t left) {
        float* to = dtable + tokens[u] * width + c;
        float v[N];
        float old[N];
        load(drows + u * width + c, left, wide, v);
        load(to, left, wide, old);
#pragma unroll
        for (int i = 0; i < N; ++i) v[i] += old[i];
        store(to, left, wide, v);
      });
  check_launch("scatter_rows");
}

}  // namespace cairn
