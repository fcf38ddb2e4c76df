#include "launcher/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "launcher/nearest.h"

namespace cairn {
namespace {

struct Answers {
  TrainCommand train;
  PlanCommand plan;
  BenchCommand bench;
  std::vector<std::string> bench_words;
  PrepareCommand prepare;
  DoctorCommand doctor;
};

void add_config(CLI::App* command, std::string& config,
                std::vector<std::string>& settings) {
  command->add_option("CONFIG", config, "The run, as a TOML file")->required();
  command
      ->add_option("--set", settings,
                   "Change one key: section.key=value (may be repeated)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void add_train(CLI::App& app, TrainCommand& answer) {
  CLI::App* const train = app.add_subcommand("train", "Train in this process");
  add_config(train, answer.config, answer.settings);
  train->add_flag("--print-config", answer.print_config,
                  "Print the config as resolved, and stop");
  train->footer(
      "Examples:\n"
      "  cairn train gpt.toml\n"
      "  cairn train gpt.toml --set train.steps=50 --set run.name=short\n"
      "  cairn train gpt.toml --print-config");
}

void add_plan(CLI::App& app, PlanCommand& answer) {
  CLI::App* const plan =
      app.add_subcommand("plan", "Predict memory and time; train nothing");
  add_config(plan, answer.config, answer.settings);
  plan->add_flag("--json", answer.json, "Write JSON instead of tables");
  plan->add_flag("--measure", answer.measure,
                 "Measure the run's kernels on this machine first");
  plan->add_option("--costs", answer.costs,
                   "Measured costs: read, or with --measure written; or those "
                   "that are shipped for cpu, h100 or h200")
      ->type_name("FILE");
  plan->add_option("--trace", answer.trace,
                   "Write the predicted step as a trace for Perfetto")
      ->type_name("FILE");
  plan->footer(
      "Examples:\n"
      "  cairn plan gpt.toml\n"
      "  cairn plan gpt.toml --set memory.device_budget=2GiB --json\n"
      "  cairn plan gpt.toml --measure --costs here.json --trace step.json\n"
      "  cairn plan gpt.toml --set train.device=cuda --costs h100");
}

void add_bench(CLI::App& app, Answers& answers) {
  BenchCommand& answer = answers.bench;
  CLI::App* const bench = app.add_subcommand(
      "bench", "Measure kernels, collectives and copies of this machine");
  bench
      ->add_option("WHAT", answers.bench_words,
                   "kernels, step, collectives, copies or all (the default; "
                   "all but step), and a run's TOML file")
      ->type_name("[WHAT] [CONFIG]")
      ->expected(0, 2);
  bench
      ->add_option("--set", answer.settings,
                   "Change one key: section.key=value (may be repeated)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  bench->add_flag("--json", answer.json, "Write JSON instead of tables");
  bench
      ->add_option("--costs", answer.costs,
                   "Write what cairn plan --costs reads; measures a grid of "
                   "operations too, for plans of other runs")
      ->type_name("FILE");
  bench->footer(
      "Examples:\n"
      "  cairn bench copies\n"
      "  cairn bench step gpt.toml\n"
      "  cairn bench kernels gpt.toml --set train.micro_batch=4\n"
      "  cairn bench --costs card.json\n"
      "  cairn bench all gpt.toml --json");
}

void add_prepare(CLI::App& app, PrepareCommand& answer) {
  CLI::App* const data = app.add_subcommand("data", "Make training data");
  data->require_subcommand(1);
  CLI::App* const prepare =
      data->add_subcommand("prepare", "Turn text into token shards");
  prepare
      ->add_option("--tokenizer", answer.tokenizer,
                   "byte and char need no files; gpt2 needs two")
      ->required()
      ->check(CLI::IsMember({"gpt2", "byte", "char"}));
  prepare->add_option("--vocab", answer.vocab, "vocab.json of gpt2");
  prepare->add_option("--merges", answer.merges, "merges.txt of gpt2");
  prepare->add_option("--input", answer.inputs, "Text files, in order")
      ->required();
  prepare->add_option("--output", answer.output, "Where the tokens go")
      ->required();
  prepare->add_option("--valid", answer.valid,
                      "Where the last part of the tokens goes instead");
  prepare
      ->add_option("--valid-fraction", answer.valid_fraction,
                   "How large that part is (0.1)")
      ->check(CLI::Range(0.0, 1.0));
  prepare->footer(
      "Examples:\n"
      "  cairn data prepare --tokenizer char --input a.txt --output a.bin\n"
      "  cairn data prepare --tokenizer gpt2 --vocab vocab.json \\\n"
      "      --merges merges.txt --input a.txt b.txt --output train.bin \\\n"
      "      --valid valid.bin --valid-fraction 0.1");
}

void add_doctor(CLI::App& app, DoctorCommand& answer) {
  CLI::App* const doctor = app.add_subcommand(
      "doctor", "Say what this machine has for training, and what is missing");
  doctor->add_flag("--json", answer.json, "Write JSON instead of lines");
  doctor->footer(
      "Ends with 0 if training is possible, else with 4.\n\n"
      "Examples:\n"
      "  cairn doctor\n"
      "  mpirun --map-by ppr:1:node cairn doctor --json");
}

std::unique_ptr<CLI::App> make_app(Answers& answers) {
  auto app = std::make_unique<CLI::App>("Cairn trains models that do not fit.",
                                        "cairn");
  app->set_version_flag("--version", "cairn " CAIRN_VERSION);
  app->set_help_all_flag("--help-all", "Help of all commands");
  app->require_subcommand(1);
  add_train(*app, answers.train);
  add_plan(*app, answers.plan);
  add_bench(*app, answers);
  add_prepare(*app, answers.prepare);
  add_doctor(*app, answers.doctor);
  app->footer(
      "Examples:\n"
      "  cairn data prepare --tokenizer char --input a.txt --output a.bin\n"
      "  cairn train gpt.toml --set data.train=a.bin\n\n"
      "'cairn COMMAND --help' tells more about a command.");
  return app;
}

[[noreturn]] void refuse(const std::string& message) {
  throw Error(Code::kBadArgument, message);
}

std::string hint(std::string_view word, const std::vector<std::string>& known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  return "; the nearest known one is " + std::string(nearest(word, views));
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

// Follows the commands that were named. Refuses one that does not exist.
const CLI::App& chosen(const CLI::App& app, int argc, const char* const* argv) {
  const CLI::App* at = &app;
  for (int i = 1; i < argc && !commands_of(*at).empty(); ++i) {
    const std::string word = argv[i];
    if (word.empty() || word.front() == '-') break;
    const std::vector<std::string> known = commands_of(*at);
    if (std::find(known.begin(), known.end(), word) == known.end()) {
      refuse("unknown command " + word + hint(word, known));
    }
    at = at->get_subcommand(word);
  }
  return *at;
}

void refuse_unknown_option(const CLI::App& command, int argc,
                           const char* const* argv) {
  const std::vector<std::string> known = options_of(command);
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") return;
    if (word.rfind("--", 0) != 0) continue;
    const std::string name = word.substr(0, word.find('='));
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    refuse("unknown option " + name + hint(name, known));
  }
}

void check_prepare(const PrepareCommand& command) {
  const bool files = !command.vocab.empty() && !command.merges.empty();
  if (command.tokenizer == "gpt2" && !files) {
    refuse("--tokenizer gpt2 needs --vocab vocab.json and --merges merges.txt");
  }
  if (!command.valid.empty() &&
      !(command.valid_fraction > 0.0 && command.valid_fraction < 1.0)) {
    refuse("--valid-fraction is not above 0 and below 1; 0.1 is usual");
  }
}

// The first word says what, unless it is the config.
BenchCommand bench_of(const Answers& answers) {
  constexpr std::array<std::string_view, 5> kWhat = {"all", "kernels", "step",
                                                     "collectives", "copies"};
  BenchCommand command = answers.bench;
  std::vector<std::string> words = answers.bench_words;
  const bool says_what =
      !words.empty() &&
      std::find(kWhat.begin(), kWhat.end(), words.front()) != kWhat.end();
  if (says_what) {
    command.what = words.front();
    words.erase(words.begin());
  }
  if (words.size() > 1) {
    refuse(
        "cairn bench takes one of all, kernels, step, collectives and copies, "
        "and then a config; " +
        words.front() + " is none of them; the nearest is " +
        std::string(nearest(words.front(), {kWhat.begin(), kWhat.end()})));
  }
  if (!words.empty()) command.config = words.front();
  if (command.config.empty() && !command.settings.empty()) {
    refuse("--set changes a config, and cairn bench was given none");
  }
  if (command.config.empty() && command.what == "collectives") {
    refuse(
        "cairn bench collectives takes a config, which says how many ranks "
        "there are");
  }
  if (command.config.empty() && command.what == "step") {
    refuse("cairn bench step takes a config, whose steps are measured");
  }
  return command;
}

CommandLine answer_of(const CLI::App& app, Answers& answers) {
  if (app.got_subcommand("train")) return answers.train;
  if (app.got_subcommand("plan")) return answers.plan;
  if (app.got_subcommand("bench")) return bench_of(answers);
  if (app.got_subcommand("doctor")) return answers.doctor;
  check_prepare(answers.prepare);
  return answers.prepare;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  Answers answers;
  const auto app = make_app(answers);
  const CLI::App& command = chosen(*app, argc, argv);
  try {
    app->parse(argc, argv);
  } catch (const CLI::CallForAllHelp&) {
    return PrintCommand{app->help("", CLI::AppFormatMode::All)};
  } catch (const CLI::CallForHelp&) {
    return PrintCommand{command.help(&command == app.get() ? "" : "cairn")};
  } catch (const CLI::CallForVersion& version) {
    return PrintCommand{std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    refuse_unknown_option(command, argc, argv);
    refuse(std::string(error.what()) + "; see cairn --help");
  }
  return answer_of(*app, answers);
}

int exit_code(const Error& error) {
  switch (error.code()) {
    case Code::kBadArgument:
      return kExitBadArgument;
    case Code::kOutOfMemory:
      return kExitCannotFit;
    case Code::kDeviceFault:
    case Code::kPeerLost:
    case Code::kCorruptState:
    case Code::kDiverged:
      break;
  }
  return kExitFault;
}

}  // namespace cairn
