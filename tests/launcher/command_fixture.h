// The `cairn` command as a user runs it: a separate process, real text, files
// on disk.

#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace cairn {

struct CommandEnding {
  int code = -1;
  std::string text;  // of both streams
};

// Runs a line of the shell.
CommandEnding run_line(const std::string& line);

// Runs `cairn` with these arguments.
CommandEnding run_cairn(const std::string& arguments);

std::vector<nlohmann::json> lines_of(const std::filesystem::path& file);

// A folder with prepared text and a config for it.
class CommandFixture : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  std::string path(const std::string& name) const {
    return (folder_ / name).string();
  }

  // `cairn train` into `name`, with more arguments.
  CommandEnding train(const std::string& name,
                      const std::string& more = "") const;

  nlohmann::json end_of(const std::string& name) const;

  // Expects a refusal with `code` whose text has all `parts`, and no run.
  void expect_refused(const std::string& more, int code,
                      const std::vector<std::string>& parts) const;

  std::filesystem::path folder_;
};

}  // namespace cairn
