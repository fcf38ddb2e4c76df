// Attention in bf16 goes to cuDNN where that serves it, and else to our own
// kernels for tensor cores; attention in f32 to our own tiles.

#include "runtime/cuda/cudnn_attention.h"
#include "runtime/cuda/ops.h"

namespace cairn {

void run(const Lane& lane, const AttentionForward& op) {
  if (op.qkv.dtype != DType::kBF16) return run_tiles(lane, op);
  if (lane.cudnn.run(lane.stream, op, {lane.scratch, kScratchBytes})) return;
  run_cores(lane, op);
}

void run(const Lane& lane, const AttentionBackward& op) {
  if (op.qkv.dtype != DType::kBF16) return run_tiles(lane, op);
  if (lane.cudnn.run(lane.stream, op)) return;
  run_cores(lane, op);
}

}  // namespace cairn
