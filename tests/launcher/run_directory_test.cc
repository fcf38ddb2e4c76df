#include "launcher/run_directory.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <sstream>

#include "runtime/error.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

class RunDirectoryTest : public testing::Test {
 protected:
  RunDirectoryTest() {
    std::string name = testing::TempDir() + "runXXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~RunDirectoryTest() override { fs::remove_all(root_); }

  std::string message_of(const fs::path& directory) {
    try {
      RunDirectory(directory, {"x = 1\n", "{}\n"}, out_);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kBadArgument);
      return error.message();
    }
    return "nothing was thrown";
  }

  fs::path root_;
  std::ostringstream out_;
};

std::string read(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

TEST_F(RunDirectoryTest, HoldsTheConfigAndTakesLines) {
  RunDirectory run(root_ / "a" / "b", {"x = 1", "[]"}, out_);
  run.metrics().append("one");
  run.metrics().append("two");

  EXPECT_EQ(read(run.path() / "config.toml"), "x = 1\n");
  EXPECT_EQ(read(run.path() / "metrics.jsonl"), "one\ntwo\n");
  EXPECT_EQ(read(run.path() / "plan.json"), "[]\n");
  EXPECT_TRUE(fs::is_directory(run.log()));
  EXPECT_EQ(out_.str(), "");
}

TEST_F(RunDirectoryTest, MovesEarlierRunsAside) {
  for (int i = 0; i < 3; ++i) {
    RunDirectory(root_ / "run/", {}, out_).metrics().append(std::to_string(i));
  }

  EXPECT_EQ(read(root_ / "run" / "metrics.jsonl"), "2\n");
  EXPECT_EQ(read(root_ / "run.1" / "metrics.jsonl"), "0\n");
  EXPECT_EQ(read(root_ / "run.2" / "metrics.jsonl"), "1\n");
  EXPECT_NE(out_.str().find("is now in"), std::string::npos);
}

TEST_F(RunDirectoryTest, RefusesAFileAndOtherPeoplesFiles) {
  std::ofstream(root_ / "file") << "x";

  EXPECT_NE(message_of(root_ / "file").find("Not a directory; a file is in"),
            std::string::npos);
  EXPECT_NE(message_of(root_ / "file" / "run").find("Not a directory"),
            std::string::npos);
  EXPECT_NE(message_of(root_).find("holds other files and no run"),
            std::string::npos);
  EXPECT_EQ(std::distance(fs::directory_iterator(root_), {}), 1);
}

TEST_F(RunDirectoryTest, SaysWhenTheDriveIsFull) {
  LineFile full("/dev/full");
  try {
    full.append("x");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(),
              "writing /dev/full: No space left on device; free some space or "
              "set run.directory to another drive");
  }
}

}  // namespace
}  // namespace cairn
