// The `cairn` command from end to end.

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>

#include "command_fixture.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

using Command = CommandFixture;

// The names of a trace's spans, by rank and stream.
std::map<std::pair<int, std::string>, std::vector<std::string>> spans_in(
    const fs::path& file) {
  std::ifstream in(file);
  const auto events = nlohmann::json::parse(in)["traceEvents"];
  std::map<int, std::string> streams;
  std::map<std::pair<int, std::string>, std::vector<std::string>> names;
  for (const auto& event : events) {
    if (event["name"] == "thread_name") {
      streams[event["tid"].get<int>()] = event["args"]["name"];
    }
    if (event["ph"] != "X") continue;
    const std::string& stream = streams.at(event["tid"].get<int>());
    names[{event["pid"].get<int>(), stream}].push_back(event["name"]);
  }
  return names;
}

TEST_F(Command, TracesARealStepAsThePredictedOne) {
  const std::string layout =
      " --set parallel.pipeline=2 --set train.threads=1 "
      "--set train.micro_batch=1";
  const CommandEnding trained =
      train("run", layout + " --set run.trace_step=3");
  const CommandEnding planned =
      run_cairn("plan " + path("config.toml") + layout + " --trace " +
                path("plan_trace.json"));

  ASSERT_EQ(trained.code, 0) << trained.text;
  ASSERT_EQ(planned.code, 0) << planned.text;
  const auto real = spans_in(folder_ / "run" / "trace.json");
  EXPECT_EQ(real, spans_in(folder_ / "plan_trace.json"));
  EXPECT_EQ(real.count({0, "compute"}), 1U);
  EXPECT_EQ(real.count({1, "stage 0 to 1"}), 1U);
}

TEST_F(Command, TrainsAndWritesWhatItDid) {
  const CommandEnding ending = train("run", "--set sample.tokens=20");

  ASSERT_EQ(ending.code, 0) << ending.text;
  EXPECT_NE(ending.text.find("sample of 20 tokens"), std::string::npos);
  for (const char* name : {"config.toml", "plan.json", "log"}) {
    EXPECT_TRUE(fs::exists(folder_ / "run" / name)) << name;
  }
  int steps = 0;
  int evaluations = 0;
  for (const auto& line : lines_of(folder_ / "run" / "metrics.jsonl")) {
    if (!line.contains("event")) {
      ++steps;
      EXPECT_EQ(line["step"], steps);
      double sum = 0;
      for (const auto& part : line["ms"]) sum += part.get<double>();
      EXPECT_NEAR(sum, line["step_ms"].get<double>(), 1e-6 * sum);
      EXPECT_EQ(line["tokens"], steps * 6 * 24);
    } else if (line["event"] == "eval") {
      ++evaluations;
      EXPECT_GT(line["valid_loss"].get<double>(), 0);
    }
  }
  EXPECT_EQ(steps, 6);
  EXPECT_EQ(evaluations, 2);
  EXPECT_EQ(end_of("run")["event"], "end");
  EXPECT_EQ(end_of("run")["steps"], 6);
  EXPECT_EQ(end_of("run")["weights_hash"].get<std::string>().size(), 32U);
}

TEST_F(Command, GivesTheSameWeightsUnderEveryMemorySettingAndThreadCount) {
  ASSERT_EQ(train("first").code, 0);
  const auto first = end_of("first");
  for (const char* setting :
       {"memory.activations=keep", "memory.activations=cheap",
        "memory.activations=boundary", "train.threads=1",
        "memory.device_budget=64MiB"}) {
    ASSERT_EQ(train("other", std::string("--set ") + setting).code, 0);
    EXPECT_EQ(end_of("other")["weights_hash"], first["weights_hash"])
        << setting;
    EXPECT_EQ(end_of("other")["loss"], first["loss"]) << setting;
  }
}

TEST_F(Command, PeaksAtThePlannedBytes) {
  const CommandEnding plan =
      run_cairn("plan " + path("config.toml") + " --json");
  ASSERT_EQ(plan.code, 0) << plan.text;
  ASSERT_EQ(train("run").code, 0);

  const auto steps = lines_of(folder_ / "run" / "metrics.jsonl");
  EXPECT_EQ(steps.at(1)["device_peak_bytes"],
            nlohmann::json::parse(plan.text)["ranks"][0]["device_peak_bytes"]);
}

TEST_F(Command, BenchesARunAndPlansByWhatItMeasured) {
  const CommandEnding bench = run_line(
      std::string(CAIRN_COMMAND) + " bench all " + path("config.toml") +
      " --json --costs " + path("costs.json") + " 2> /dev/null");
  ASSERT_EQ(bench.code, 0) << bench.text;
  const auto measured = nlohmann::json::parse(bench.text);
  const CommandEnding plan = run_cairn("plan " + path("config.toml") +
                                       " --json --costs " + path("costs.json"));
  ASSERT_EQ(plan.code, 0) << plan.text;
  const auto planned = nlohmann::json::parse(plan.text);

  EXPECT_EQ(measured["device"], "cpu");
  EXPECT_GT(measured["copies"]["both_bytes_per_second"], 0);
  // One rank: what the step takes is what its kernels take, and a little.
  const double kernels = 1e3 * measured["kernel_seconds"].get<double>();
  EXPECT_GT(planned["step_ms"].get<double>(), kernels);
  EXPECT_LT(planned["step_ms"].get<double>(), 1.5 * kernels);
  EXPECT_EQ(planned["costs"], "measured on cpu, from " + path("costs.json"));
}

// Without a GPU, or CUDA.
TEST_F(Command, PlansForACardThatIsNotHere) {
  const std::string cuda = path("config.toml") + " --set train.device=cuda";

  const CommandEnding plan = run_cairn("plan " + cuda);
  const CommandEnding older = run_cairn("plan " + cuda + " --costs h100");

  EXPECT_EQ(plan.code, 0) << plan.text;
  EXPECT_NE(plan.text.find("by rates of an NVIDIA H200, as shipped"),
            std::string::npos)
      << plan.text;
  EXPECT_NE(older.text.find("by rates of an NVIDIA H100, as shipped"),
            std::string::npos)
      << older.text;
}

TEST_F(Command, MovesAnEarlierRunAside) {
  ASSERT_EQ(train("run").code, 0);
  const auto before = end_of("run");
  const CommandEnding ending = train("run", "--set train.seed=2");

  ASSERT_EQ(ending.code, 0);
  EXPECT_NE(ending.text.find(path("run.1")), std::string::npos) << ending.text;
  EXPECT_EQ(end_of("run.1"), before);
  EXPECT_NE(end_of("run")["weights_hash"], before["weights_hash"]);
}

TEST_F(Command, AnswersAMistakeWithASentenceAndLeavesNothing) {
  expect_refused("--set train.global_batch=7", 2, {"7", "3", "6", "9"});
  expect_refused("--set train.micro_bach=3", 2, {"micro_bach", "micro_batch"});
  expect_refused("--set data.train=" + path("nowhere.bin"), 2, {"nowhere.bin"});
  expect_refused("--set model.vocab=20", 2, {"train.bin", "20"});
  expect_refused("--set model.context=16", 2, {"16", "24"});
  expect_refused("--set model.family=gpt9", 2, {"gpt9", "gpt2", "llama"});
  expect_refused("--set model.heads=5", 2, {"32", "5", "30", "35"});
  expect_refused("--set data.sequence=99999", 2, {"99999"});
  expect_refused("--set memory.device_budget=10KiB", 3, {"10240", "boundary"});
}

TEST_F(Command, RefusesAShardThatWasCutShort) {
  const auto size = fs::file_size(path("train.bin"));
  fs::resize_file(path("train.bin"), size - 7);

  expect_refused("", 2, {std::to_string(size), std::to_string(size - 7)});
}

TEST_F(Command, StopsARunThatDivergesAtTheStepAndTheBlock) {
  // Decay of lr x weight_decay = 1000 a step makes the weights grow
  // thousandfold.
  const CommandEnding ending =
      train("run",
            "--set optimizer.lr=1000 --set optimizer.min_lr=1000 "
            "--set optimizer.weight_decay=1 --set optimizer.warmup=0 "
            "--set optimizer.clip=0 --set train.steps=30");

  EXPECT_EQ(ending.code, 4) << ending.text;
  for (const char* part : {"step ", " has loss ", "gradient norm",
                           "the first value that is not finite is in ",
                           " of block ", ", micro-batch 0"}) {
    EXPECT_NE(ending.text.find(part), std::string::npos)
        << part << " is not in: " << ending.text;
  }
}

TEST_F(Command, StopsAtAStepBorderWhenAsked) {
  // In the foreground, timeout signals the run alone, and once: a second signal
  // would end it on the spot.
  const std::string line =
      "timeout --foreground -s TERM 2 " + std::string(CAIRN_COMMAND) +
      " train " + path("config.toml") +
      " --set train.steps=1000000 --set run.directory=" + path("run") +
      " > /dev/null 2>&1; echo $?";
  FILE* pipe = popen(line.c_str(), "r");
  char code[16] = {};
  ASSERT_NE(fgets(code, sizeof(code), pipe), nullptr);
  pclose(pipe);

  // timeout itself answers 124 when it had to send the signal; the run's own
  // last line shows that it ended in order.
  EXPECT_EQ(std::string(code), "124\n");
  EXPECT_EQ(end_of("run")["event"], "end");
  EXPECT_GT(end_of("run")["steps"], 0);
}

}  // namespace
}  // namespace cairn
