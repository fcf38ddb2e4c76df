#include "runtime/cpu/loops.h"

namespace cairn {

namespace v2 {
extern const Loops kLoops;
}
namespace v3 {
extern const Loops kLoops;
}
namespace v4 {
extern const Loops kLoops;
}

namespace {

const Loops& choose() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return v4::kLoops;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2")) {
    return v3::kLoops;
  }
  return v2::kLoops;
}

}  // namespace

const Loops& loops() {
  static const Loops& chosen = choose();
  return chosen;
}

}  // namespace cairn
