// The command line: what the user asked for, as values, and how an ending
// becomes an exit code.

#pragma once

#include <string>
#include <variant>
#include <vector>

#include "runtime/error.h"

namespace cairn {

struct TrainCommand {
  std::string config;
  std::vector<std::string> settings;  // as given to --set
  bool print_config = false;
};

struct PlanCommand {
  std::string config;
  std::vector<std::string> settings;
  bool json = false;
  bool measure = false;
  std::string costs;  // a file, read or written, or the name of a machine
  std::string trace;  // a file, written
};

struct BenchCommand {
  std::string what = "all";  // or kernels, step, collectives, copies
  std::string config;        // "": no run
  std::vector<std::string> settings;
  bool json = false;
  std::string costs;  // a file, written
};

struct PrepareCommand {
  std::string tokenizer;  // gpt2, byte or char
  std::string vocab;      // gpt2 only
  std::string merges;     // gpt2 only
  std::vector<std::string> inputs;
  std::string output;
  std::string valid;  // "": no split
  double valid_fraction = 0.1;
};

struct DoctorCommand {
  bool json = false;
};

// --help and --version: print and be done.
struct PrintCommand {
  std::string text;
};

using CommandLine = std::variant<TrainCommand, PlanCommand, BenchCommand,
                                 PrepareCommand, DoctorCommand, PrintCommand>;

// argv[0] is the program. A mistake is an Error with kBadArgument whose message
// names the nearest command or option.
CommandLine parse_command_line(int argc, const char* const* argv);

inline constexpr int kExitDone = 0;
inline constexpr int kExitBadArgument = 2;
inline constexpr int kExitCannotFit = 3;
inline constexpr int kExitFault = 4;
inline constexpr int kExitStopped = 75;  // on request, resumable

int exit_code(const Error& error);

}  // namespace cairn
