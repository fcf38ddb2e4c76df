#include "launcher/worker.h"

#include <optional>
#include <ostream>
#include <utility>

#include "launcher/cli.h"
#include "launcher/efficiency.h"
#include "launcher/loop.h"
#include "launcher/metrics.h"
#include "launcher/plan_report.h"
#include "launcher/run_directory.h"
#include "launcher/sample.h"
#include "launcher/step_trace.h"

namespace cairn {
namespace {

std::unique_ptr<Backend> build_backend(const Run& run, const Seat& seat) {
  BackendOptions options = run.backend_options();
  options.device = seat.rank;
  return make_backend(name_of(device_of(run.config())), options);
}

std::optional<RunDirectory> build_directory(const Run& run, const World& world,
                                            std::ostream& out) {
  std::optional<RunDirectory> directory;
  if (world.rank() != 0) return directory;
  const RunDirectory::Files files{to_toml(run.config()), plan_json(run)};
  directory.emplace(run_directory(run.config()), files, out);
  return directory;
}

std::optional<StepTrace> build_trace(const Run& run, World& world,
                                     Backend& backend) {
  std::optional<StepTrace> trace;
  if (run.config().run.trace_step > 0) trace.emplace(world, backend);
  return trace;
}

// On rank 0; every rank calls it, with a world that carries host memory.
std::unique_ptr<Efficiency> build_efficiency(const Run& run, World& world,
                                             const Backend& backend) {
  RunDevices devices =
      find_run_devices(world, backend.device(), run.options().dtype);
  if (world.rank() != 0) return nullptr;
  return std::make_unique<Efficiency>(
      std::move(devices), run.model().flops_per_token(run.options().batch));
}

}  // namespace

int train_rank(const Run& run, World& host_world, const Seat& seat,
               StopRequest& stop, std::ostream& out) {
  auto directory = build_directory(run, host_world, out);
  const auto backend = build_backend(run, seat);
  const auto device_world =
      make_device_world(run.config(), host_world, *backend, seat);
  World& world = device_world ? *device_world : host_world;
  const auto stream = backend->make_stream("memory");
  Arena arena(backend->memory(), run.plan().ranks.at(world.rank()).arena_bytes,
              *stream);
  Ledger ledger(arena);
  Engine engine(*backend, ledger, world, run.model(),
                policy_named(run.plan().activations), run.options());
  auto trace = build_trace(run, world, *backend);
  const auto efficiency = build_efficiency(run, host_world, *backend);
  engine.draw_weights();

  Loop loop({run, world, engine, ledger, trace ? &*trace : nullptr,
             directory ? &*directory : nullptr, efficiency.get()},
            out);
  const std::int64_t steps = loop.run_steps(stop);
  const std::string hash = engine.weights_hash();
  if (directory) {
    directory->metrics().append(
        end_line(steps, hash, double{loop.last_loss()}));
    out << "weights_hash " << hash << "\n";
  }
  if (loop.stopped() && steps < run.config().train.steps) return kExitStopped;
  print_sample(run, engine, out);
  return kExitDone;
}

}  // namespace cairn
