#include "launcher/command.h"

#include <iostream>
#include <variant>

#include "launcher/cli.h"
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
  const Config config = read_config(command.config, command.settings);
  if (command.print_config) {
    std::cout << to_toml(config);
    return kExitDone;
  }
  return train(config, families, std::cout);
}

int carry_out(const PlanCommand& command, const ModelFamilies& families) {
  const Run run(read_config(command.config, command.settings), families);
  if (command.json) {
    std::cout << run.plan_json();
  } else {
    run.print(std::cout);
  }
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

int carry_out(const PrintCommand& command, const ModelFamilies&) {
  std::cout << command.text;
  return kExitDone;
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
    // What is wrong with what the user gave is the same for every rank.
    const bool told = error.code() == Code::kBadArgument && !speaks_for_all();
    if (!told) std::cerr << "cairn: " << error.message() << "\n";
    return exit_code(error);
  } catch (const std::exception& error) {
    std::cerr << "cairn: " << error.what() << "\n";
    return kExitFault;
  }
}

}  // namespace cairn
