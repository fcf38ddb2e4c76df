#include "launcher/bench.h"

#include <ostream>

#include "launcher/bench/exchanges.h"
#include "launcher/bench/issue.h"
#include "launcher/bench/kernel_bench.h"
#include "launcher/bench/step.h"
#include "launcher/costs.h"
#include "runtime/device_report.h"

namespace cairn {
namespace {

bool is_cuda(Device::Kind device) { return device == Device::Kind::kCuda; }

void tell(const BenchRequest& request, const std::string& what) {
  if (request.progress == nullptr) return;
  *request.progress << "cairn: measuring " << what << "\n" << std::flush;
}

void bench_copies(const BenchRequest& request, BenchReport& report) {
  CopyOptions options;
  if (is_cuda(request.device)) {
    options.type = DType::kBF16;
  } else {
    options.bytes = std::size_t{8} << 20;
    options.product = 256;
  }
  const auto backend = make_backend(name_of(request.device), request.backend);
  report.copies = measure_copies(*backend, options);
  report.costs.upload_bytes_per_second = report.copies->upload;
  report.costs.download_bytes_per_second = report.copies->download;
  report.costs.copy_latency = report.copies->latency;
}

void bench_exchanges(const BenchRequest& request, BenchReport& report) {
  report.ranks =
      request.run == nullptr ? 1 : request.run->options.parallel.world();
  report.exchanges = measure_exchanges(request, report.ranks);
  report.costs.link =
      link_of(report.exchanges, report.ranks, report.costs.link);
}

}  // namespace

double BenchReport::kernel_seconds() const {
  double sum = 0;
  for (const KernelRate& rate : kernels) {
    sum += static_cast<double>(rate.calls) * rate.seconds;
  }
  return sum;
}

double BenchReport::floor_seconds() const {
  double sum = 0;
  for (const KernelRate& rate : kernels) {
    sum += static_cast<double>(rate.calls) * rate.floor_seconds;
  }
  return sum;
}

BenchReport run_bench(const BenchRequest& request) {
  BenchReport report;
  report.device = is_cuda(request.device)
                      ? card_of({request.device, request.backend.device}).name
                      : name_of(request.device);
  report.costs = default_costs(request.device);
  if (request.kernels) bench_kernels(request, report);
  if (request.copies) {
    tell(request, "copies");
    bench_copies(request, report);
  }
  if (request.collectives) bench_exchanges(request, report);
  if (request.kernels && is_cuda(request.device)) {
    tell(request, "how fast the host enqueues");
    measure_issue(request.device, request.backend, report.costs);
  }
  if (request.step_seconds > 0) {
    tell(request, "steps");
    report.step = measure_step(request, report.costs);
  }
  report.costs.source =
      "measured on " + report.device +
      (is_cuda(request.device) && !request.backend.deterministic
           ? ", not deterministic"
           : "");
  return report;
}

CostModel measure_costs(const PlanRequest& request, const std::string& policy) {
  BenchRequest bench;
  bench.device = request.device;
  bench.backend = request.backend_options();
  bench.run = &request;
  bench.activations = policy;
  return run_bench(bench).costs;
}

}  // namespace cairn
