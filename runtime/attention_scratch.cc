#include "runtime/attention_scratch.h"

#include <algorithm>

namespace cairn {
namespace {

// dk and dv of a head, where they are yet to be added to those of others.
std::int64_t shared_heads_elements(const AttentionShape& s) {
  return s.heads == s.kv_heads ? 0 : s.sequence * s.head_size;
}

std::int64_t fast_bytes(const AttentionShape& s) {
  const std::int64_t head =
      s.sequence * (s.head_size + 1) + shared_heads_elements(s);
  return s.samples * s.heads * head * 4 + kCudnnCallBytes;
}

std::int64_t steady_bytes(const AttentionShape& s) {
  const std::int64_t most = s.samples * s.heads * s.sequence * s.head_size * 16;
  const std::int64_t head = steady_head_bytes(s);
  if (head + kCudnnCallBytes > most) {
    return s.samples * s.heads * s.sequence * 4;
  }
  return std::min(most, s.samples * s.kv_heads * head + kCudnnCallBytes);
}

}  // namespace

std::int64_t attention_scratch(const AttentionShape& shape, DType dtype,
                               bool deterministic) {
  if (dtype != DType::kBF16) return 0;
  return (deterministic ? steady_bytes(shape) : fast_bytes(shape)) / 4;
}

std::int64_t steady_head_bytes(const AttentionShape& s) {
  const std::int64_t padded = (s.sequence + 127) / 128 * 128;
  return s.heads / s.kv_heads *
         (2 * padded * padded + 4 * s.sequence + 4 * shared_heads_elements(s));
}

}  // namespace cairn
