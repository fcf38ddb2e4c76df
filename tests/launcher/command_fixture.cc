#include "command_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace cairn {

CommandEnding run_line(const std::string& line) {
  FILE* pipe = popen(line.c_str(), "r");
  CommandEnding ending;
  char buffer[4096];
  std::size_t count = 0;
  while ((count = fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
    ending.text.append(buffer, count);
  }
  const int status = pclose(pipe);
  ending.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ending;
}

CommandEnding run_cairn(const std::string& arguments) {
  return run_line(std::string(CAIRN_COMMAND) + " " + arguments + " 2>&1");
}

std::vector<nlohmann::json> lines_of(const std::filesystem::path& file) {
  std::vector<nlohmann::json> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(nlohmann::json::parse(line));
  }
  return lines;
}

void CommandFixture::SetUp() {
  char name[] = "/tmp/cairn-command-XXXXXX";
  folder_ = mkdtemp(name);
  std::ofstream text(path("text.txt"));
  for (int i = 0; i < 400; ++i) {
    text << "line " << i * i % 97 << " of a play that nobody wrote\n";
  }
  text.close();
  const CommandEnding ending =
      run_cairn("data prepare --tokenizer char --input " + path("text.txt") +
                " --output " + path("train.bin") + " --valid " +
                path("valid.bin") + " --valid-fraction 0.2");
  ASSERT_EQ(ending.code, 0) << ending.text;
  std::ofstream config(path("config.toml"));
  config << "[model]\nfamily = 'gpt2'\nlayers = 2\nwidth = 32\nheads = 2\n"
            "dropout = 0.1\n[data]\ntrain = '"
         << path("train.bin") << "'\nvalid = '" << path("valid.bin")
         << "'\nsequence = 24\n[train]\nsteps = 6\nglobal_batch = 6\n"
            "micro_batch = 3\neval_every = 3\neval_batches = 2\n"
            "threads = 2\n[optimizer]\nlr = 0.003\nmin_lr = 0.0003\n"
            "warmup = 2\n";
}

void CommandFixture::TearDown() { std::filesystem::remove_all(folder_); }

CommandEnding CommandFixture::train(const std::string& name,
                                    const std::string& more) const {
  return run_cairn("train " + path("config.toml") +
                   " --set run.directory=" + path(name) + " " + more);
}

nlohmann::json CommandFixture::end_of(const std::string& name) const {
  return lines_of(folder_ / name / "metrics.jsonl").back();
}

void CommandFixture::expect_refused(
    const std::string& more, int code,
    const std::vector<std::string>& parts) const {
  const CommandEnding ending = train("refused", more);
  EXPECT_EQ(ending.code, code) << ending.text;
  for (const std::string& part : parts) {
    EXPECT_NE(ending.text.find(part), std::string::npos)
        << part << " is not in: " << ending.text;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "refused"));
}

}  // namespace cairn
