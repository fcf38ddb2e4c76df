#include "launcher/bench.h"

#include <algorithm>
#include <future>
#include <ostream>
#include <thread>

#include "launcher/bench/exchanges.h"
#include "launcher/bench/floor.h"
#include "launcher/bench/grid.h"
#include "launcher/bench/issue.h"
#include "launcher/costs.h"
#include "runtime/calibration.h"
#include "runtime/device_report.h"

namespace cairn {
namespace {

using Measured = std::map<std::string, MeasuredOp>;

bool is_cuda(Device::Kind device) { return device == Device::Kind::kCuda; }

// Operations of no memory: only their types and shapes count.
class Pretended {
 public:
  TensorView view(DType type, const Shape& shape) {
    next_ += kMemoryAlignment;
    return {reinterpret_cast<std::byte*>(next_),  // NOLINT: never followed
            type, shape};
  }

  LinearForward product(DType type, std::int64_t n) {
    LinearForward op;
    op.x = view(type, {n, n});
    op.w = view(type, {n, n});
    op.y = view(type, {n, n});
    return op;
  }

  Cast copy(std::int64_t elements) {
    return {view(DType::kF32, {elements}), view(DType::kF32, {elements})};
  }

 private:
  std::uintptr_t next_ = 0;
};

// What the ceilings are taken from.
struct CeilingOps {
  explicit CeilingOps(Device::Kind device) {
    Pretended pretended;
    const bool cuda = is_cuda(device);
    copy = pretended.copy(std::int64_t{1} << (cuda ? 28 : 22));
    f32 = pretended.product(DType::kF32, cuda ? 4096 : 512);
    if (cuda) bf16 = pretended.product(DType::kBF16, 8192);
  }

  std::vector<KernelOp> all() const {
    std::vector<KernelOp> ops{copy, f32};
    if (bf16) ops.emplace_back(*bf16);
    return ops;
  }

  Cast copy;
  LinearForward f32;
  std::optional<LinearForward> bf16;
};

void tell(const BenchRequest& request, const std::string& what) {
  if (request.progress == nullptr) return;
  *request.progress << "cairn: measuring " << what << "\n" << std::flush;
}

double rate_of(const KernelOp& op, const Measured& measured) {
  const MeasuredOp& found = measured.at(key_of(op));
  const OpProfile& profile = found.profile;
  return (profile.flops > 0 ? profile.flops : profile.bytes) / found.seconds;
}

Ceilings ceilings_of(const CeilingOps& ops, const Measured& measured) {
  Ceilings ceilings;
  ceilings.bytes_per_second = rate_of(ops.copy, measured);
  ceilings.f32_flops_per_second = rate_of(ops.f32, measured);
  if (ops.bf16) ceilings.bf16_flops_per_second = rate_of(*ops.bf16, measured);
  return ceilings;
}

CalibrationOptions calibration_of(const BenchRequest& request) {
  CalibrationOptions options;
  if (request.progress != nullptr) {
    options.progress = [out = request.progress](const std::string& text) {
      *out << "cairn: " << text << "\n" << std::flush;
    };
  }
  if (!is_cuda(request.device)) return options;
  options.repeats = 7;
  options.least = 3e-4;
  options.warm_up = 2;
  options.spread_bytes = std::size_t{256} << 20;
  return options;
}

// The mean of what several ranks measured side by side.
Measured mean_of(const std::vector<Measured>& tables) {
  Measured mean = tables.front();
  for (auto& [key, op] : mean) {
    op.seconds = 0;
    for (const Measured& table : tables) {
      op.seconds += table.at(key).seconds / static_cast<double>(tables.size());
    }
  }
  return mean;
}

// By as many ranks at once as share the processor; a device is not shared.
Measured measure_by(int ranks, const BenchRequest& request,
                    const std::vector<KernelOp>& ops) {
  std::vector<std::future<Measured>> all;
  all.reserve(static_cast<std::size_t>(ranks));
  for (int r = 0; r < ranks; ++r) {
    all.push_back(std::async(std::launch::async, [&] {
      const auto backend =
          make_backend(name_of(request.device), request.backend);
      return measure(*backend, ops, calibration_of(request));
    }));
  }
  std::vector<Measured> tables;
  tables.reserve(all.size());
  for (std::future<Measured>& one : all) tables.push_back(one.get());
  return mean_of(tables);
}

int ranks_at_once(const BenchRequest& request) {
  if (is_cuda(request.device) || request.run == nullptr) return 1;
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(cores / std::max(1, request.backend.threads), 1,
                    request.run->options.parallel.world());
}

// Distinct by key, over the places of the pipeline: the calls of the one that
// makes most.
std::vector<SimKernel> kernels_of(const BenchRequest& request) {
  std::vector<SimKernel> all;
  if (request.run == nullptr) return all;
  for (int p = 0; p < request.run->options.parallel.pipeline; ++p) {
    for (SimKernel& kernel :
         step_kernels(*request.run, request.activations, p)) {
      const auto same = std::find_if(
          all.begin(), all.end(),
          [&](const SimKernel& other) { return other.key == kernel.key; });
      if (same == all.end()) {
        all.push_back(std::move(kernel));
      } else {
        same->calls = std::max(same->calls, kernel.calls);
      }
    }
  }
  return all;
}

double fraction_of(const OpProfile& profile, double seconds,
                   const Ceilings& ceilings) {
  if (profile.kind == OpClass::kPass) {
    return profile.bytes / seconds / ceilings.bytes_per_second;
  }
  const bool bf16 =
      profile.type == DType::kBF16 && ceilings.bf16_flops_per_second > 0;
  const double most =
      bf16 ? ceilings.bf16_flops_per_second : ceilings.f32_flops_per_second;
  return profile.flops / seconds / most;
}

std::vector<KernelRate> rates_of(const std::vector<SimKernel>& kernels,
                                 const Measured& measured,
                                 const Ceilings& ceilings) {
  std::vector<KernelRate> rates;
  for (const SimKernel& kernel : kernels) {
    const MeasuredOp& found = measured.at(kernel.key);
    rates.push_back({kernel.key, kernel.calls, found.seconds,
                     floor_of(kernel.op, measured, ceilings), found.profile,
                     fraction_of(found.profile, found.seconds, ceilings)});
  }
  std::sort(rates.begin(), rates.end(),
            [](const KernelRate& a, const KernelRate& b) {
              return static_cast<double>(a.calls) * a.seconds >
                     static_cast<double>(b.calls) * b.seconds;
            });
  return rates;
}

void bench_kernels(const BenchRequest& request, BenchReport& report) {
  const CeilingOps ceiling(request.device);
  const std::vector<SimKernel> kernels = kernels_of(request);
  std::vector<KernelOp> ops = ceiling.all();
  if (request.run != nullptr) {
    const auto all = plan_kernels(*request.run, request.activations);
    ops.insert(ops.end(), all.begin(), all.end());
  }
  for (const SimKernel& kernel : kernels) {
    for (const InnerProduct& product : inner_products(kernel.op)) {
      ops.push_back(product.op);
    }
  }
  if (request.grid) {
    const std::vector<KernelOp> grid = grid_of(request.device);
    ops.insert(ops.end(), grid.begin(), grid.end());
  }
  Measured measured = measure_by(ranks_at_once(request), request, ops);
  report.ceilings = ceilings_of(ceiling, measured);
  report.kernels = rates_of(kernels, measured, report.ceilings);
  CostModel& costs = report.costs;
  costs.bytes_per_second = report.ceilings.bytes_per_second;
  costs.f32.flops_per_second = report.ceilings.f32_flops_per_second;
  if (ceiling.bf16) {
    costs.bf16.flops_per_second = report.ceilings.bf16_flops_per_second;
  }
  costs.measured = std::move(measured);
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
