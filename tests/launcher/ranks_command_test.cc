// The `cairn` command with many ranks, as threads: what is refused, what each
// key does, and how a run ends. Under mpirun: tests/launcher/mpi/.

#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "command_fixture.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class RanksCommand : public CommandFixture {
 protected:
  // Four blocks between embedding and head, eight micro-batches a step.
  static std::string with(const std::vector<std::string>& settings) {
    std::string text = "--set model.layers=4 --set train.global_batch=24";
    for (const std::string& setting : settings) {
      text += " --set '" + setting + "'";
    }
    return text;
  }

  CommandEnding train_with(const std::string& name,
                           const std::vector<std::string>& settings) const {
    return train(name, with(settings));
  }

  json plan(const std::vector<std::string>& settings) const {
    const CommandEnding ending = run_cairn("plan " + path("config.toml") + " " +
                                           with(settings) + " --json");
    EXPECT_EQ(ending.code, 0) << ending.text;
    return json::parse(ending.text);
  }

  // Names of the spans of one rank in the predicted trace, in order.
  std::vector<std::string> spans(const std::vector<std::string>& settings,
                                 int rank) const {
    const CommandEnding ending =
        run_cairn("plan " + path("config.toml") + " " + with(settings) +
                  " --trace " + path("trace.json"));
    EXPECT_EQ(ending.code, 0) << ending.text;
    std::ifstream in(path("trace.json"));
    std::vector<std::string> names;
    const json trace = json::parse(in);
    for (const json& event : trace["traceEvents"]) {
      if (event["ph"] == "X" && event["pid"] == rank) {
        names.push_back(event["name"]);
      }
    }
    return names;
  }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    return path(name);
  }

  fs::path metrics(const std::string& name) const {
    return folder_ / name / "metrics.jsonl";
  }
};

std::int64_t bytes(const json& plan, int rank, const std::string& owner) {
  return plan["ranks"][rank]["memory"][owner].get<std::int64_t>();
}

std::set<std::string> groups(const json& plan, int rank) {
  std::set<std::string> names;
  for (const auto& [name, sent] : plan["ranks"][rank]["traffic"].items()) {
    names.insert(name);
  }
  return names;
}

struct Refusal {
  std::vector<std::string> settings;
  std::vector<std::string> parts;
};

TEST_F(RanksCommand, RefusesALayoutWithAllNumbersAndTheNearestThatFits) {
  const Refusal refusals[] = {
      {{"parallel.pipeline=7"},
       {"parallel.pipeline = 7", "is 7 stages", "are 6 blocks",
        "the largest pipeline with these chunks is 6"}},
      {{"parallel.pipeline=2", "parallel.chunks=4",
        "parallel.schedule=interleaved"},
       {"is 8 stages", "are 6 blocks",
        "the largest pipeline with these chunks is 1, "
        "the most chunks with this pipeline are 3"}},
      {{"parallel.data=3"},
       {"train.global_batch = 24", "micro-batches of 3", "parallel.data = 3",
        "18 and 27"}},
      {{"parallel.pipeline=2", "parallel.chunks=2"},
       {"parallel.chunks = 2", "\"1f1b\"", "\"interleaved\" or \"gpipe\"",
        "the nearest chunks: 1"}},
      {{"parallel.pipeline=2", "parallel.chunks=2", "parallel.schedule=zb-h1"},
       {"parallel.chunks = 2", "\"zb-h1\""}},
      {{"parallel.pipeline=2", "parallel.cuts=3,4"},
       {"parallel.cuts", "3 + 4 = 7", "6 blocks", "the nearest cut is 3,3"}},
      {{"parallel.pipeline=3", "parallel.cuts=3,3"},
       {"parallel.cuts", "in 2 stages", "into 3 stages",
        "the nearest cut is 3,2,1"}},
      {{"parallel.pipeline=2", "parallel.cuts=3;3"},
       {"parallel.cuts = \"3;3\"", "4,5,5"}},
      {{"parallel.gradient_groups=2", "parallel.data=2"},
       {"parallel.gradient_groups = 2", "2 ranks", "set it to 1"}},
      {{"parallel.gradient_groups=3"},
       {"8 micro-batches", "parallel.gradient_groups = 3", ": 2"}},
      {{"parallel.schedule=zb-h2"}, {"zb-h2", "zb-h1"}},
      {{"sharding.stage=4"}, {"sharding.stage = 4", "0 to 3"}},
      {{"parallel.timeout=0"}, {"parallel.timeout = 0", "above 0"}},
  };
  for (const Refusal& refusal : refusals) {
    expect_refused(with(refusal.settings), 2, refusal.parts);
  }
}

TEST_F(RanksCommand, RefusesAScheduleFileThatIsMissingOrDoesNotFit) {
  const auto refuse = [&](const std::string& file,
                          const std::vector<std::string>& parts) {
    expect_refused(with({"parallel.pipeline=2", "train.global_batch=6",
                         "parallel.schedule_file=" + file}),
                   2, parts);
  };

  refuse(path("nowhere.txt"), {"nowhere.txt", "cannot be opened", "2 ranks"});
  refuse(folder_.string(), {folder_.string(), "no file"});
  refuse(write("empty.txt", ""), {"empty.txt", "is empty"});
  refuse(write("words.txt", "all forwards\n"), {"words.txt", "line 1"});
  refuse(write("half.txt", "rank 0: F0.0 B0.0 F0.1 B0.1\n"),
         {"half.txt", "rank 1 of 2"});
  refuse(write("short.txt", "rank 0: F0.0 B0.0\nrank 1: F1.0 B1.0\n"),
         {"short.txt", "2 ranks", "2 micro-batches",
          "rank 0, at its end: F0.1 is missing"});
  refuse(write("early.txt",
               "rank 0: F0.0 F0.1 B0.0 B0.1\nrank 1: B1.0 F1.0 F1.1 B1.1\n"),
         {"early.txt", "rank 1, position 0 (B1.0) comes before F1.0"});
}

TEST_F(RanksCommand, SaysOnceWhatOneRankCannotDo) {
  const CommandEnding ending =
      train("config.toml/run", with({"parallel.pipeline=3"}));

  EXPECT_EQ(ending.code, 2) << ending.text;
  const auto first = ending.text.find("cairn: ");
  ASSERT_NE(first, std::string::npos) << ending.text;
  EXPECT_EQ(ending.text.find("cairn: ", first + 1), std::string::npos);
  EXPECT_THAT(ending.text, HasSubstr(path("config.toml/run")));
}

TEST_F(RanksCommand, SaysOnceWhereARunOfManyRanksDiverges) {
  const CommandEnding ending = train_with(
      "run", {"parallel.pipeline=2", "parallel.data=2", "optimizer.lr=1000",
              "optimizer.min_lr=1000", "optimizer.weight_decay=1",
              "optimizer.warmup=0", "optimizer.clip=0", "train.steps=30"});

  EXPECT_EQ(ending.code, 4) << ending.text;
  const auto first = ending.text.find("the first value that is not finite");
  ASSERT_NE(first, std::string::npos) << ending.text;
  EXPECT_EQ(ending.text.find("cairn: "), ending.text.rfind("cairn: "));
}

TEST_F(RanksCommand, TellsWhatAPeerDidNotComeTo) {
  const CommandEnding ending = train_with(
      "run", {"parallel.pipeline=3", "parallel.timeout=0.001",
              "train.micro_batch=8", "data.sequence=200", "model.width=128"});

  EXPECT_EQ(ending.code, 4) << ending.text;
  EXPECT_THAT(ending.text, HasSubstr("cairn: rank "));
  EXPECT_THAT(ending.text, HasSubstr("on group"));
  EXPECT_EQ(ending.text.find("cairn: "), ending.text.rfind("cairn: "));
}

TEST_F(RanksCommand, StopsEveryRankAfterAStepWhenAsked) {
  for (const std::string signal : {"TERM", "INT"}) {
    const std::string name = "stopped by " + signal;
    const std::string file = "'" + metrics(name).string() + "'";
    const CommandEnding ending = run_line(
        std::string(CAIRN_COMMAND) + " train " + path("config.toml") + " " +
        with({"parallel.pipeline=2", "parallel.data=2", "train.steps=1000000",
              "run.directory=" + path(name)}) +
        " > /dev/null & until test -s " + file +
        " || ! kill -0 $!; do sleep 0.05; done; kill -" + signal +
        " $!; wait $!");

    EXPECT_EQ(ending.code, 75) << signal;
    const auto lines = lines_of(metrics(name));
    EXPECT_EQ(lines.back()["event"], "end") << signal;
    std::int64_t steps = 0;
    for (const json& line : lines) {
      if (line.contains("event")) continue;
      EXPECT_EQ(line["step"], ++steps);
    }
    EXPECT_EQ(lines.back()["steps"], steps) << signal;
  }
}

TEST_F(RanksCommand, MakesOneRunWithTheNumbersOfOneRank) {
  ASSERT_EQ(train_with("one", {"parallel.gradient_groups=2"}).code, 0);
  ASSERT_EQ(train_with("two", {"parallel.data=2"}).code, 0);

  EXPECT_FALSE(fs::exists(folder_ / "two.1"));
  const auto one = lines_of(metrics("one"));
  const auto two = lines_of(metrics("two"));
  ASSERT_EQ(one.size(), two.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    for (const char* key : {"event", "step", "loss", "grad_norm", "lr",
                            "tokens", "valid_loss", "weights_hash"}) {
      EXPECT_EQ(one[i].contains(key), two[i].contains(key)) << key;
      if (!one[i].contains(key)) continue;
      EXPECT_EQ(one[i][key], two[i][key]) << key;
    }
  }
}

TEST_F(RanksCommand, PeaksAtThePlannedBytesOfTheLargestRank) {
  for (const char* layout : {"parallel.pipeline=2", "parallel.data=2"}) {
    const json planned = plan({layout});
    std::int64_t most = 0;
    for (const json& rank : planned["ranks"]) {
      most = std::max(most, rank["device_peak_bytes"].get<std::int64_t>());
    }

    ASSERT_EQ(train_with(layout, {layout}).code, 0);

    for (const json& line : lines_of(metrics(layout))) {
      if (!line.contains("device_peak_bytes") || line["step"] < 3) continue;
      EXPECT_EQ(line["device_peak_bytes"], most) << layout;
    }
  }
}

TEST_F(RanksCommand, CutsTheModelOverAPipelineAndRepeatsIt) {
  const json both =
      plan({"parallel.pipeline=2", "parallel.data=3", "train.global_batch=27"});

  ASSERT_EQ(both["ranks"].size(), 6U);
  for (int rank = 0; rank < 6; ++rank) {
    EXPECT_EQ(both["ranks"][rank]["stage"], rank / 3);
    EXPECT_THAT(groups(both, rank), Contains("stage 0 to 1"));
    EXPECT_THAT(groups(both, rank), Contains("reduce"));
  }
  const json one = plan({});
  EXPECT_EQ(one["ranks"].size(), 1U);
  EXPECT_THAT(groups(one, 0), Not(Contains("reduce")));
}

TEST_F(RanksCommand, KeepsMoreUnderGpipeAndSplitsBackwardsUnderZeroBubble) {
  const std::string two = "parallel.pipeline=2";
  const std::string schedule = "parallel.schedule=";

  EXPECT_GT(bytes(plan({two, schedule + "gpipe"}), 0, "activations"),
            2 * bytes(plan({two, schedule + "1f1b"}), 0, "activations"));
  EXPECT_THAT(spans({two, schedule + "zb-h1"}, 0), Contains("W0.0/1"));
  EXPECT_THAT(spans({two, schedule + "1f1b"}, 0), Not(Contains("W0.0/1")));
}

TEST_F(RanksCommand, TakesAScheduleFromAFile) {
  std::string text;
  for (const std::string rank : {"0", "1"}) {
    text += "rank " + rank + ":";
    for (const std::string verb : {" F", " B"}) {
      for (int m = 0; m < 8; ++m) text += verb + rank + "." + std::to_string(m);
    }
    text += "\n";
  }
  const std::string two = "parallel.pipeline=2";
  const json from_file =
      plan({two, "parallel.schedule_file=" + write("all.txt", text)});

  EXPECT_EQ(from_file, plan({two, "parallel.schedule=gpipe"}));
  EXPECT_NE(from_file, plan({two}));
}

TEST_F(RanksCommand, GivesARankSeveralStages) {
  const std::vector<std::string> settings = {"parallel.pipeline=2",
                                             "parallel.schedule=interleaved"};
  std::vector<std::string> chunked = settings;
  chunked.emplace_back("parallel.chunks=2");

  EXPECT_THAT(groups(plan(chunked), 0), Contains("stage 1 to 2"));
  EXPECT_THAT(spans(chunked, 0), Contains("F2.0/0"));
  EXPECT_THAT(spans(settings, 0), Not(Contains("F2.0/0")));
}

TEST_F(RanksCommand, CutsWhereItIsTold) {
  const std::string two = "parallel.pipeline=2";

  EXPECT_THAT(spans({two, "parallel.cuts=1,5"}, 1), Contains("F1.0/4"));
  EXPECT_THAT(spans({two, "parallel.cuts=4,2"}, 1), Not(Contains("F1.0/2")));
}

TEST_F(RanksCommand, MakesRoomEarlierForWhatIsReceivedAhead) {
  const auto room = [&](const std::string& ahead) {
    return bytes(
        plan({"parallel.pipeline=2", "parallel.receive_ahead=" + ahead}), 1,
        "activations");
  };

  EXPECT_LT(room("0"), room("1"));
  EXPECT_LT(room("1"), room("6"));
}

TEST_F(RanksCommand, SumsGradientsInGroups) {
  const json groups = plan({"parallel.gradient_groups=2"});

  EXPECT_GT(bytes(groups, 0, "transients"), bytes(plan({}), 0, "transients"));
  ASSERT_EQ(train_with("one", {}).code, 0);
  ASSERT_EQ(train_with("two", {"parallel.gradient_groups=2"}).code, 0);
  EXPECT_NE(end_of("one")["weights_hash"], end_of("two")["weights_hash"]);
}

TEST_F(RanksCommand, SharesMoreOfTheStateAtEveryStageOfSharding) {
  std::vector<json> plans;
  for (int stage = 0; stage <= 3; ++stage) {
    plans.push_back(
        plan({"parallel.data=2", "sharding.stage=" + std::to_string(stage)}));
  }
  const auto halves = [&](int stage, const std::string& owner) {
    return bytes(plans[stage], 0, owner) < 0.6 * bytes(plans[0], 0, owner);
  };

  for (int stage = 0; stage <= 3; ++stage) {
    EXPECT_EQ(halves(stage, "optimizer"), stage >= 1) << stage;
    EXPECT_EQ(halves(stage, "gradients"), stage >= 2) << stage;
    EXPECT_EQ(halves(stage, "parameters"), stage >= 3) << stage;
  }
}

TEST_F(RanksCommand, GathersWeightsAheadOfTheirUse) {
  const auto gathered = [&](const std::string& ahead) {
    return plan({"parallel.data=2", "sharding.stage=3",
                 "sharding.gather_ahead=" + ahead});
  };

  EXPECT_LT(bytes(gathered("0"), 0, "transients"),
            bytes(gathered("2"), 0, "transients"));
  EXPECT_GT(gathered("0")["step_ms"], gathered("1")["step_ms"]);
}

}  // namespace
}  // namespace cairn
