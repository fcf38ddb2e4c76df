#include "launcher/command.h"

#include <iostream>
#include <optional>
#include <variant>

#include "launcher/bench.h"
#include "launcher/cli.h"
#include "launcher/costs.h"
#include "launcher/doctor.h"
#include "launcher/plan_report.h"
#include "launcher/worker.h"
#include "runtime/data/prepare.h"
#include "runtime/error.h"

namespace cairn {
namespace {

Config read_config(const std::string& file,
                   const std::vector<std::string>& settings) {
  Config config = load_config(file);
  for (const std::string& setting : settings) set(config, setting);
  check(config);
  return config;
}

int carry_out(const TrainCommand& command, const ModelFamilies& families) {
  const auto read = [&] {
    Config config = read_config(command.config, command.settings);
    if (!command.print_config) check_device_is_here(config);
    return config;
  };
  if (!command.print_config) return train(read, families, std::cout);
  std::cout << to_toml(read());
  return kExitDone;
}

// Costs as measured here and now, or as read from a file; nothing where
// neither was asked for.
std::optional<CostModel> costs_of(const PlanCommand& command,
                                  const Config& config,
                                  const ModelFamilies& families) {
  if (!command.measure) {
    if (command.costs.empty()) return std::nullopt;
    return read_costs(command.costs);
  }
  check_device_is_here(config);
  const Run run(config, families);
  CostModel costs = measure_costs(run.plan_request(), run.plan().activations);
  if (!command.costs.empty()) write_costs(costs, command.costs);
  return costs;
}

int carry_out(const PlanCommand& command, const ModelFamilies& families) {
  const Config config = read_config(command.config, command.settings);
  const auto costs = costs_of(command, config, families);
  const Run run(config, families, 0, costs);
  if (command.json) {
    std::cout << plan_json(run);
  } else {
    print_tables(run, std::cout);
    print_prediction(run, std::cout);
  }
  if (!command.trace.empty()) {
    const auto spans = plan_trace(run.plan_request(), run.plan().activations);
    write_trace(command.trace, spans,
                transfer_arrows(spans, run.options().parallel.data));
  }
  return kExitDone;
}

BenchReport bench_of(const BenchCommand& command,
                     const ModelFamilies& families) {
  const auto asks = [&](const char* what) {
    return command.what == "all" || command.what == what;
  };
  BenchRequest request;
  request.progress = &std::cerr;
  constexpr double kStepSeconds = 1.2;
  if (command.what == "step") request.step_seconds = kStepSeconds;
  request.kernels = asks("kernels") || command.what == "step";
  request.collectives = asks("collectives");
  request.copies = asks("copies");
  request.grid = request.kernels && !command.costs.empty();
  if (command.config.empty()) {
    if (backend_names().front() == "cuda") request.device = Device::Kind::kCuda;
    return run_bench(request);
  }
  const Config config = read_config(command.config, command.settings);
  check_device_is_here(config);
  const Run run(config, families);
  const PlanRequest plan = run.plan_request();
  request.device = plan.device;
  request.backend = plan.backend_options();
  request.run = &plan;
  request.config = config;
  request.activations = run.plan().activations;
  return run_bench(request);
}

int carry_out(const BenchCommand& command, const ModelFamilies& families) {
  const BenchReport report = bench_of(command, families);
  if (command.json) {
    std::cout << bench_json(report);
  } else {
    print_bench(report, std::cout);
  }
  if (!command.costs.empty()) write_costs(report.costs, command.costs);
  return kExitDone;
}

int carry_out(const PrepareCommand& command, const ModelFamilies&) {
  PrepareOptions options;
  options.tokenizer = command.tokenizer;
  options.vocab = command.vocab;
  options.merges = command.merges;
  options.inputs = command.inputs;
  options.output = command.output;
  options.valid_output = command.valid;
  options.valid_fraction = command.valid_fraction;
  print(prepare_tokens(options), std::cout);
  return kExitDone;
}

int carry_out(const DoctorCommand& command, const ModelFamilies&) {
  return doctor(command.json, std::cout);
}

int carry_out(const PrintCommand& command, const ModelFamilies&) {
  std::cout << command.text;
  return kExitDone;
}

// A mistake in the command line is the same for every process of a run.
bool told_by_another(const Error& error) {
  return error.code() == Code::kBadArgument && !speaks_for_all();
}

}  // namespace

int run_command(int argc, const char* const* argv,
                const ModelFamilies& families) {
  try {
    const CommandLine line = parse_command_line(argc, argv);
    return std::visit(
        [&](const auto& command) { return carry_out(command, families); },
        line);
  } catch (const Error& error) {
    if (!told_by_another(error)) {
      std::cerr << "cairn: " << error.message() << "\n";
    }
    return exit_code(error);
  } catch (const std::exception& error) {
    std::cerr << "cairn: " << error.what() << "\n";
    return kExitFault;
  }
}

}  // namespace cairn
