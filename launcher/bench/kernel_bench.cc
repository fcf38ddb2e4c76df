#include "launcher/bench/kernel_bench.h"

#include <algorithm>
#include <future>
#include <ostream>
#include <thread>

#include "launcher/bench/floor.h"
#include "launcher/bench/grid.h"
#include "runtime/calibration.h"

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
  options.least = 1e-4;
  options.round = 0.06;
  options.warm_up = 1.2;
  options.repeats = request.grid ? 3 : 5;
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
Measured measure_by(int ranks, const BenchRequest& request, bool deterministic,
                    const std::vector<Load>& loads) {
  BackendOptions options = request.backend;
  options.deterministic = deterministic;
  std::vector<std::future<Measured>> all;
  all.reserve(static_cast<std::size_t>(ranks));
  for (int r = 0; r < ranks; ++r) {
    all.push_back(std::async(std::launch::async, [&] {
      const auto backend = make_backend(name_of(request.device), options);
      return measure(*backend, loads, calibration_of(request));
    }));
  }
  std::vector<Measured> tables;
  tables.reserve(all.size());
  for (std::future<Measured>& one : all) tables.push_back(one.get());
  return mean_of(tables);
}

// The run as it would be in that mode.
PlanRequest run_in_mode(const BenchRequest& request, bool deterministic) {
  PlanRequest run = *request.run;
  run.options.deterministic = deterministic;
  return run;
}

// Distinct by key, over the places of the pipeline: the calls of the one that
// makes most.
std::vector<SimKernel> kernels_of(const BenchRequest& request,
                                  bool deterministic) {
  std::vector<SimKernel> all;
  if (request.run == nullptr) return all;
  const PlanRequest run = run_in_mode(request, deterministic);
  for (int p = 0; p < run.options.parallel.pipeline; ++p) {
    add_most(all, step_kernels(run, request.activations, p));
  }
  return all;
}

// The bare products inside kernels, as often as those are called.
void add_products(Load& load, const std::vector<SimKernel>& kernels) {
  for (const SimKernel& kernel : kernels) {
    for (const InnerProduct& product : inner_products(kernel.op)) {
      load.push_back(
          {product.op, product.times * static_cast<double>(kernel.calls)});
    }
  }
}

// The step of the run, what else it calls, and the grid. `floors`: also what
// the least times of the run's kernels are made of.
std::vector<Load> loads_of(const BenchRequest& request, bool deterministic,
                           bool floors) {
  std::vector<Load> loads;
  Load others;
  for (const KernelOp& op : CeilingOps(request.device).all()) {
    others.push_back({op, 1});
  }
  if (request.run != nullptr) {
    const auto kernels = kernels_of(request, deterministic);
    loads.push_back(load_of(kernels));
    if (floors) {
      // Of the run's own mode, whose kernels they are compared with.
      add_products(loads.back(),
                   kernels_of(request, request.backend.deterministic));
    }
    for (const KernelOp& op : plan_kernels(run_in_mode(request, deterministic),
                                           request.activations)) {
      others.push_back({op, 0});
    }
  }
  loads.push_back(others);
  if (request.grid) {
    const auto grid = grid_of(request.device, deterministic);
    loads.insert(loads.end(), grid.begin(), grid.end());
  }
  return loads;
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

// `own` has the kernels as measured in the run's mode, `best` the products
// inside them where algorithms are chosen by what they take.
std::vector<KernelRate> rates_of(const std::vector<SimKernel>& kernels,
                                 const Measured& own, const Measured& best,
                                 const Ceilings& ceilings) {
  std::vector<KernelRate> rates;
  for (const SimKernel& kernel : kernels) {
    const MeasuredOp& found = own.at(kernel.key);
    rates.push_back({kernel.key, kernel.calls, found.seconds,
                     floor_of(kernel.op, found, best, ceilings), found.profile,
                     fraction_of(found.profile, found.seconds, ceilings)});
  }
  std::sort(rates.begin(), rates.end(),
            [](const KernelRate& a, const KernelRate& b) {
              return a.lost_seconds() > b.lost_seconds();
            });
  return rates;
}

// What the grid of one mode alone has.
void add_f32(const Measured& from, Measured& to) {
  for (const auto& [key, op] : from) {
    if (op.profile.type == DType::kF32) to.emplace(key, op);
  }
}

void set_rates(CostModel& costs, const Ceilings& ceilings) {
  costs.bytes_per_second = ceilings.bytes_per_second;
  costs.f32.flops_per_second = ceilings.f32_flops_per_second;
  if (ceilings.bf16_flops_per_second > 0) {
    costs.bf16.flops_per_second = ceilings.bf16_flops_per_second;
  }
}

}  // namespace

int ranks_at_once(const BenchRequest& request) {
  if (is_cuda(request.device) || request.run == nullptr) return 1;
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(cores / std::max(1, request.backend.threads), 1,
                    request.run->options.parallel.world());
}

// Where a device has two modes, the one that chooses algorithms by what they
// take gives the ceilings and floors of both.
void bench_kernels(const BenchRequest& request, BenchReport& report) {
  const bool two_modes = is_cuda(request.device);
  const bool own = request.backend.deterministic;
  std::map<bool, Measured> tables;  // by whether it is deterministic
  const auto measure_mode = [&](bool deterministic) {
    const bool floors = !two_modes || !deterministic;
    tables[deterministic] =
        measure_by(ranks_at_once(request), request, deterministic,
                   loads_of(request, deterministic, floors));
  };
  measure_mode(own);
  if (two_modes && (request.grid || (own && request.run != nullptr))) {
    measure_mode(!own);
  }
  const Measured& best = tables.begin()->second;
  report.ceilings = ceilings_of(CeilingOps(request.device), best);
  report.kernels =
      rates_of(kernels_of(request, own), tables.at(own), best, report.ceilings);
  set_rates(report.costs, report.ceilings);
  report.costs.measured = tables.rbegin()->second;
  if (!two_modes || !tables.contains(false)) return;
  report.costs.measured_fast = std::move(tables.at(false));
  add_f32(report.costs.measured, report.costs.measured_fast);
}

}  // namespace cairn
