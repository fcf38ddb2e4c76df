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
