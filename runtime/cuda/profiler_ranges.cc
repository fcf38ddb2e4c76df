#include "runtime/cuda/profiler_ranges.h"

#include <nvtx3/nvToolsExt.h>

#include <cstdint>

namespace cairn {
namespace {

// 0 would be none.
std::uint32_t category(int phase) {
  return static_cast<std::uint32_t>(phase) + 1;
}

nvtxDomainHandle_t make_domain() {
  const nvtxDomainHandle_t domain = nvtxDomainCreateA("cairn");
  for (int phase = 0; phase < kPhases; ++phase) {
    nvtxDomainNameCategoryA(domain, category(phase),
                            name_of(static_cast<Phase>(phase)));
  }
  return domain;
}

nvtxDomainHandle_t domain() {
  static nvtxDomainHandle_t const made = make_domain();
  return made;
}

}  // namespace

void begin_profiler_range(Phase phase, const char* name) {
  nvtxEventAttributes_t range{};
  range.version = NVTX_VERSION;
  range.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  range.category = category(static_cast<int>(phase));
  range.messageType = NVTX_MESSAGE_TYPE_ASCII;
  range.message.ascii = name;
  nvtxDomainRangePushEx(domain(), &range);
}

void end_profiler_range() { nvtxDomainRangePop(domain()); }

}  // namespace cairn
