// The gradient of an embedding without atomics. The tokens are sorted by the
// row that they add to, so that each row has a run of tokens in their order.
// Runs are cut into pieces: the first goes straight to its row; those of long
// runs are summed side by side and added to the row in order.

#include <algorithm>
#include <bit>
#include <cub/device/device_radix_sort.cuh>

#include "runtime/cuda/lanes.cuh"
#include "runtime/cuda/math.cuh"
#include "runtime/cuda/ops.h"

namespace cairn {
namespace {

using TokenKey = std::uint64_t;  // row, then token, 32 bits each

constexpr std::int64_t kPiece = 32;  // tokens, or more where room is short
constexpr std::int64_t kPieceBytes = kScratchBytes / 2;  // for sums of pieces
constexpr int kAtOnce = 8;                               // loads in flight

struct TokenRun {
  std::uint32_t first;
  std::uint32_t end;
};

__device__ std::uint32_t row_of(TokenKey key) {
  return static_cast<std::uint32_t>(key >> 32);
}

void clear_and_number(const Lane& lane, const EmbeddingBackward& op,
                      TokenKey* keys, TokenRun* runs) {
  const std::int64_t tokens = op.dy.shape[0];
  const std::int64_t rows = op.drows.shape[0];
  const std::int32_t* row = op.rows.as<std::int32_t>();
  for_each<1>(lane.stream, std::max(tokens, rows),
              [=] __device__(std::int64_t i, std::int64_t) {
                if (i < rows) runs[i] = {};
                if (i < tokens)
                  keys[i] = static_cast<TokenKey>(row[i]) << 32 | i;
              });
  check_launch("embedding_backward");
}

void find_runs(const Lane& lane, const TokenKey* keys, std::int64_t tokens,
               TokenRun* runs) {
  for_each<1>(lane.stream, tokens,
              [=] __device__(std::int64_t at, std::int64_t) {
                const std::uint32_t row = row_of(keys[at]);
                const auto place = static_cast<std::uint32_t>(at);
                if (at == 0 || row_of(keys[at - 1]) != row) {
                  runs[row].first = place;
                }
                if (at + 1 == tokens || row_of(keys[at + 1]) != row) {
                  runs[row].end = place + 1;
                }
              });
  check_launch("embedding_backward");
}

template <typename T>
struct TokenSums {
  const TokenKey* keys;  // sorted
  const TokenRun* runs;  // of each row
  const T* dy;
  float* drows;
  float* pieces;  // [places, width]
  std::int64_t width;
  std::uint32_t rows;
  std::uint32_t piece;
  Draw draw;
  bool wide;
};

// sums += dropout(lane), of a token from column c on.
template <typename T, int N>
__device__ void add_lane(const Draw& draw, std::int64_t token, std::int64_t c,
                         const PackedLane<T>& lane, float (&sums)[N]) {
  float v[N];
#pragma unroll
  for (int i = 0; i < N; ++i) v[i] = lane[i];
  drop(draw, token, c, v);
#pragma unroll
  for (int i = 0; i < N; ++i) sums[i] += v[i];
}

// The gradients of tokens [first, end) added to `sums`, in order.
template <typename T, int N>
__device__ void add_tokens(const TokenSums<T>& a, std::uint32_t first,
                           std::uint32_t end, std::int64_t c,
                           float (&sums)[N]) {
  for (std::uint32_t at = first; at < end; at += kAtOnce) {
    std::uint32_t token[kAtOnce];
    PackedLane<T> lane[kAtOnce];
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      if (at + k >= end) continue;
      token[k] = static_cast<std::uint32_t>(a.keys[at + k]);
      lane[k] = load_lane(a.dy + token[k] * a.width + c, a.width - c, a.wide);
    }
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      if (at + k < end) add_lane(a.draw, token[k], c, lane[k], sums);
    }
  }
}

// At most one piece that is not the first of its run begins among the `piece`
// sorted tokens of a place: of the run that the place's first token is in.
struct LaterPiece {
  TokenRun run;
  std::uint32_t row;
  std::uint32_t first;
  bool there;
};
template <typename T>
__device__ LaterPiece later_piece(const TokenSums<T>& a, std::uint32_t place) {
  const std::uint32_t begin = place * a.piece;
  LaterPiece later = {};
  later.row = row_of(a.keys[begin]);
  later.run = a.runs[later.row];
  const std::uint32_t before = begin - later.run.first;
  later.first = later.run.first + (before + a.piece - 1) / a.piece * a.piece;
  later.there = before > 0 && later.first < later.run.end;
  return later;
}

// Block x is a row of drows or, beyond those, a place; block y a piece of the
// columns, one lane a thread.
template <typename T>
__global__ void token_sums_kernel(TokenSums<T> a) {
  constexpr int N = kLanes<T>;
  const std::int64_t c =
      (static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * N;
  if (c >= a.width) return;
  float sums[N] = {};
  if (blockIdx.x < a.rows) {
    const TokenRun run = a.runs[blockIdx.x];
    if (run.first == run.end) return;
    float* to = a.drows + blockIdx.x * a.width + c;
    load(to, a.width - c, a.wide, sums);
    add_tokens(a, run.first, min(run.end, run.first + a.piece), c, sums);
    store(to, a.width - c, a.wide, sums);
    return;
  }
  const std::uint32_t place = blockIdx.x - a.rows;
  const LaterPiece later = later_piece(a, place);
  if (!later.there) return;
  add_tokens(a, later.first, min(later.run.end, later.first + a.piece), c,
             sums);
  store(a.pieces + place * a.width + c, a.width - c, a.wide, sums);
}

// Block x is a place; the one of a run's second piece adds all of the run's.
template <typename T>
__global__ void later_pieces_kernel(TokenSums<T> a) {
  constexpr int N = 4;
  const std::int64_t c =
      (static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * N;
  if (c >= a.width) return;
  const LaterPiece later = later_piece(a, blockIdx.x);
  if (!later.there || later.first != later.run.first + a.piece) return;
  float* to = a.drows + later.row * a.width + c;
  float sums[N];
  load(to, a.width - c, a.wide, sums);
  const std::uint32_t count =
      (later.run.end - later.first + a.piece - 1) / a.piece;
  const float* from = a.pieces + blockIdx.x * a.width + c;
#pragma unroll 8
  for (std::uint32_t k = 0; k < count; ++k) {
    float v[N];
    load(from + k * a.width, a.width - c, a.wide, v);
#pragma unroll
    for (int i = 0; i < N; ++i) sums[i] += v[i];
  }
  store(to, a.width - c, a.wide, sums);
}

// Hands out pieces of the scratch.
class SortScratch {
 public:
  explicit SortScratch(std::byte* scratch) : next_(scratch) {}

  template <typename T>
  T* take(std::int64_t count) {
    auto* const taken = reinterpret_cast<T*>(next_);
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    next_ += (bytes + 255) / 256 * 256;
    left_ -= static_cast<std::int64_t>((bytes + 255) / 256 * 256);
    require(left_ >= 0, "embedding_backward: too many tokens for the scratch");
    return taken;
  }

 private:
  std::byte* next_;
  std::int64_t left_ = kScratchBytes;
};

// The keys in order; `other` has room for as many.
const TokenKey* sorted(const Lane& lane, std::int64_t tokens, std::int64_t rows,
                       TokenKey* keys, TokenKey* other, SortScratch& scratch) {
  const int top = 32 + std::max(1, static_cast<int>(std::bit_width(
                                       static_cast<std::uint64_t>(rows - 1))));
  cub::DoubleBuffer<TokenKey> both(keys, other);
  const auto count = static_cast<int>(tokens);
  std::size_t bytes = 0;
  check(cub::DeviceRadixSort::SortKeys(nullptr, bytes, both, count, 32, top,
                                       lane.stream),
        "sizing the sort of embedding_backward");
  auto* const room = scratch.take<std::byte>(static_cast<std::int64_t>(bytes));
  check(cub::DeviceRadixSort::SortKeys(room, bytes, both, count, 32, top,
                                       lane.stream),
        "sorting for embedding_backward");
  return both.Current();
}

template <typename T>
void add_rows(const Lane& lane, const EmbeddingBackward& op) {
  const std::int64_t tokens = op.dy.shape[0];
  const std::int64_t rows = op.drows.shape[0];
  SortScratch scratch(lane.scratch);
  TokenKey* const keys = scratch.take<TokenKey>(tokens);
  TokenKey* const other = scratch.take<TokenKey>(tokens);
  TokenRun* const runs = scratch.take<TokenRun>(rows);
  clear_and_number(lane, op, keys, runs);
  TokenSums<T> a = {};
  a.keys = sorted(lane, tokens, rows, keys, other, scratch);
  find_runs(lane, a.keys, tokens, runs);
  a.runs = runs;
  a.dy = data_of<T>(op.dy);
  a.drows = op.drows.as<float>();
  a.width = op.dy.shape[1];
  a.rows = static_cast<std::uint32_t>(rows);
  std::int64_t piece = kPiece;
  const auto places = [&] { return (tokens + piece - 1) / piece; };
  while (piece < tokens && places() * a.width * 4 > kPieceBytes) piece *= 2;
  a.piece = static_cast<std::uint32_t>(piece);
  a.pieces = scratch.take<float>(piece < tokens ? places() * a.width : 0);
  a.draw = draw_of(op.dropout, op.sequence);
  a.wide = is_wide(a.width, op.dy, op.drows);
  const auto grid = [&](std::int64_t blocks, int each) {
    const std::int64_t lanes = (a.width + each - 1) / each;
    const unsigned threads =
        static_cast<unsigned>(std::min<std::int64_t>((lanes + 31) / 32, 8)) *
        32;
    return std::pair(dim3(blocks_of(blocks, 1), blocks_of(lanes, threads)),
                     threads);
  };
  const auto [blocks, threads] = grid(rows + places(), kLanes<T>);
  token_sums_kernel<T><<<blocks, threads, 0, lane.stream>>>(a);
  check_launch("embedding_backward");
  if (piece >= tokens) return;
  const auto [fold_blocks, fold_threads] = grid(places(), 4);
  later_pieces_kernel<T><<<fold_blocks, fold_threads, 0, lane.stream>>>(a);
  check_launch("embedding_backward");
}

// dpositions: a thread has one lane of a position, over all samples.
template <typename T>
void add_positions(const Lane& lane, const EmbeddingBackward& op) {
  constexpr int N = kLanes<T>;
  const std::int64_t width = op.dy.shape[1];
  const std::int64_t tokens = op.dy.shape[0];
  const std::int64_t sequence = op.sequence;
  const bool accumulate = op.accumulate;
  const Draw draw = draw_of(op.dropout, sequence);
  const bool wide = is_wide(width, op.dy, op.dpositions);
  const T* dy = data_of<T>(op.dy);
  float* to = op.dpositions.as<float>();
  for_rows<N>(
      lane.stream, op.dpositions.shape[0], width,
      [=] __device__(std::int64_t t, std::int64_t c, std::int64_t left) {
        if (t >= sequence && accumulate) return;
        float sums[N] = {};
        if (accumulate) load(to + t * width + c, left, wide, sums);
        const std::int64_t end = t < sequence ? tokens : 0;
        for (std::int64_t r = t; r < end; r += kAtOnce * sequence) {
          PackedLane<T> lanes[kAtOnce];
#pragma unroll
          for (int k = 0; k < kAtOnce; ++k) {
            const std::int64_t at = r + k * sequence;
            if (at < end) lanes[k] = load_lane(dy + at * width + c, left, wide);
          }
#pragma unroll
          for (int k = 0; k < kAtOnce; ++k) {
            const std::int64_t at = r + k * sequence;
            if (at < end) add_lane(draw, at, c, lanes[k], sums);
          }
        }
        store(to + t * width + c, left, wide, sums);
      });
  check_launch("embedding_backward");
}

}  // namespace

void run(const Lane& lane, const EmbeddingBackward& op) {
  if (op.dy.elements() == 0) return;
  by_type(op.dy.dtype, [&](auto zero) {
    using T = decltype(zero);
    add_rows<T>(lane, op);
    if (op.dpositions) add_positions<T>(lane, op);
  });
}

}  // namespace cairn
