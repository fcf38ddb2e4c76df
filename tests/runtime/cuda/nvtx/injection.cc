// What a profiler puts into a process: a library that NVTX loads because
// NVTX_INJECTION64_PATH names it, and that takes its calls. This one notes
// them, and gives the notes out by `noted_ranges`.

#include <nvtx3/nvToolsExt.h>

#include <map>
#include <mutex>
#include <string>

namespace {

std::mutex mutex;
std::string notes;
std::map<std::uint32_t, std::string> categories;

void note(const std::string& text) {
  const std::lock_guard lock(mutex);
  notes += text + "\n";
}

nvtxDomainHandle_t create_domain(const char* name) {
  note("domain " + std::string(name));
  static int domain = 0;
  return reinterpret_cast<nvtxDomainHandle_t>(&domain);
}

void name_category(nvtxDomainHandle_t /*domain*/, std::uint32_t category,
                   const char* name) {
  const std::lock_guard lock(mutex);
  categories[category] = name;
}

int push(nvtxDomainHandle_t /*domain*/, const nvtxEventAttributes_t* range) {
  note(categories[range->category] + " " + range->message.ascii);
  return 0;
}

int pop(nvtxDomainHandle_t /*domain*/) {
  note("end");
  return 0;
}

template <typename Call>
void take(NvtxFunctionTable table, int number, Call call) {
  *table[number] = reinterpret_cast<NvtxFunctionPointer>(call);
}

}  // namespace

extern "C" int InitializeInjectionNvtx2(NvtxGetExportTableFunc_t get_table) {
  const auto* const exported = static_cast<const NvtxExportTableCallbacks*>(
      get_table(NVTX_ETID_CALLBACKS));
  NvtxFunctionTable table = nullptr;
  unsigned int size = 0;
  if (exported->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &table, &size) ==
      0) {
    return 0;
  }
  take(table, NVTX_CBID_CORE2_DomainCreateA, create_domain);
  take(table, NVTX_CBID_CORE2_DomainNameCategoryA, name_category);
  take(table, NVTX_CBID_CORE2_DomainRangePushEx, push);
  take(table, NVTX_CBID_CORE2_DomainRangePop, pop);
  return 1;
}

extern "C" const char* noted_ranges() { return notes.c_str(); }
