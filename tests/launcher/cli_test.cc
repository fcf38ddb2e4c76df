#include "launcher/cli.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

CommandLine parse(std::vector<const char*> words) {
  words.insert(words.begin(), "cairn");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

std::string message_of(const std::vector<const char*>& words) {
  try {
    parse(words);
  } catch (const Error& error) {
    EXPECT_EQ(exit_code(error), kExitBadArgument);
    return error.message();
  }
  return "nothing was thrown";
}

TEST(CommandLine, ReadsTrainAndPlan) {
  const auto train = std::get<TrainCommand>(
      parse({"train", "--set", "a.b=1", "c.toml", "--set", "c.d=[1, 2]"}));
  const auto plan = std::get<PlanCommand>(parse({"plan", "c.toml", "--json"}));

  EXPECT_EQ(train.config, "c.toml");
  EXPECT_EQ(train.settings, (std::vector<std::string>{"a.b=1", "c.d=[1, 2]"}));
  EXPECT_FALSE(train.print_config);
  EXPECT_TRUE(plan.json);
}

TEST(CommandLine, ReadsWhatToBenchAndOfWhatRun) {
  const auto bench = [](std::vector<const char*> words) {
    words.insert(words.begin(), "bench");
    return std::get<BenchCommand>(parse(words));
  };

  EXPECT_EQ(bench({}).what, "all");
  EXPECT_EQ(bench({"c.toml"}).config, "c.toml");
  EXPECT_EQ(bench({"c.toml"}).what, "all");
  EXPECT_EQ(bench({"copies"}).what, "copies");
  EXPECT_EQ(bench({"copies"}).config, "");
  const BenchCommand all = bench({"kernels", "c.toml", "--set", "a.b=1",
                                  "--json", "--costs", "costs.json"});
  EXPECT_EQ(all.what, "kernels");
  EXPECT_EQ(all.config, "c.toml");
  EXPECT_EQ(all.settings, std::vector<std::string>{"a.b=1"});
  EXPECT_TRUE(all.json);
  EXPECT_EQ(all.costs, "costs.json");
}

TEST(CommandLine, RefusesABenchOfWhatItDoesNotKnow) {
  EXPECT_EQ(
      message_of({"bench", "kernel", "c.toml"}),
      "cairn bench takes one of all, kernels, step, collectives and copies, "
      "and then a config; kernel is none of them; the nearest is "
      "kernels");
  EXPECT_NE(message_of({"bench", "--set", "a.b=1"}).find("given none"),
            std::string::npos);
  EXPECT_NE(message_of({"bench", "step"}).find("takes a config"),
            std::string::npos);
  EXPECT_NE(message_of({"bench", "collectives"}).find("takes a config"),
            std::string::npos);
}

TEST(CommandLine, ReadsDataPrepare) {
  const auto prepare = std::get<PrepareCommand>(
      parse({"data", "prepare", "--tokenizer", "char", "--input", "a", "b",
             "--output", "o.bin"}));

  EXPECT_EQ(prepare.inputs, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(prepare.output, "o.bin");
  EXPECT_EQ(prepare.valid_fraction, 0.1);
}

TEST(CommandLine, ReadsDoctor) {
  EXPECT_FALSE(std::get<DoctorCommand>(parse({"doctor"})).json);
  EXPECT_TRUE(std::get<DoctorCommand>(parse({"doctor", "--json"})).json);
}

TEST(CommandLine, HelpsAndTellsItsVersion) {
  const auto text = [](const std::vector<const char*>& words) {
    return std::get<PrintCommand>(parse(words)).text;
  };

  EXPECT_EQ(text({"--version"}).rfind("cairn ", 0), 0U);
  EXPECT_NE(text({"--help"}).find("Examples:"), std::string::npos);
  EXPECT_NE(text({"train", "--help"}).find("--print-config"),
            std::string::npos);
}

TEST(CommandLine, HintsAtTheNearestWord) {
  EXPECT_EQ(message_of({"trian", "c.toml"}),
            "unknown command trian; the nearest known one is train");
  EXPECT_EQ(message_of({"train", "c.toml", "--print-confg"}),
            "unknown option --print-confg; the nearest known one is "
            "--print-config");
  EXPECT_NE(message_of({}).find("see cairn --help"), std::string::npos);
  EXPECT_NE(message_of({"train"}).find("CONFIG"), std::string::npos);
  EXPECT_EQ(message_of({"data", "prepare", "--tokenizer", "gpt2", "--input",
                        "a", "--output", "o"}),
            "--tokenizer gpt2 needs --vocab vocab.json and --merges "
            "merges.txt");
}

TEST(ExitCode, FollowsTheKindOfError) {
  EXPECT_EQ(exit_code(Error(Code::kBadArgument, "")), 2);
  EXPECT_EQ(exit_code(Error(Code::kOutOfMemory, "")), 3);
  EXPECT_EQ(exit_code(Error(Code::kDiverged, "")), 4);
}

}  // namespace
}  // namespace cairn
