#include "launcher/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "launcher/config/schema.h"
#include "runtime/error.h"

namespace cairn {
namespace {

template <typename Work>
std::string message_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kBadArgument);
    return error.message();
  }
  return "nothing was thrown";
}

std::string parse_message(const std::string& text) {
  return message_of([&] { parse_config(text, "run.toml"); });
}

std::string set_message(const std::string& assignment) {
  Config config;
  return message_of([&] { set(config, assignment); });
}

std::string check_message(const std::vector<std::string>& settings) {
  Config config;
  config.data.train = "tokens.bin";
  for (const std::string& setting : settings) set(config, setting);
  return message_of([&] { check(config); });
}

// A valid value that is not the default.
std::string other_value(const Key& key) {
  const Value value = value_of(key, Config{});
  if (key.byte_size) return "512MiB";
  if (key.choices.size() > 1) {
    const auto& text = std::get<std::string>(value);
    return std::string(key.choices[text == key.choices[0] ? 1 : 0]);
  }
  if (std::holds_alternative<std::string>(value)) return "else where";
  if (std::holds_alternative<bool>(value)) return "false";
  if (std::holds_alternative<std::int64_t>(value)) {
    return std::to_string(std::get<std::int64_t>(value) + 1);
  }
  if (key.name == "betas") return "[0.5, 0.25]";
  return key.limits.most > 1.0 ? "7.5" : "0.125";
}

TEST(Config, TakesEveryKeyThroughSetAndWritesIt) {
  for (const Key& key : schema()) {
    Config config;

    set(config, key.full_name() + "=" + other_value(key));

    EXPECT_NE(config, Config{}) << key.full_name();
    const std::string line =
        std::string(key.name) + " = " + to_toml(value_of(key, config)) + "\n";
    EXPECT_NE(to_toml(config).find(line), std::string::npos) << line;
    EXPECT_EQ(parse_config(to_toml(config), "again"), config);
  }
}

TEST(Config, ReadsBackWhatItWrites) {
  Config config;
  config.data.train = "a \"b\"\\c\n\t\x01\x7F";
  config.optimizer.lr = 0.1 + 0.2;
  config.optimizer.eps = 1e-300;
  config.optimizer.weight_decay = 0.0;

  EXPECT_EQ(parse_config(to_toml(config), "again"), config);
  EXPECT_EQ(parse_config("", "empty"), Config{});
}

TEST(Config, NamesTheNearestKeyAndSection) {
  EXPECT_EQ(parse_message("[model]\nlayer = 3\n"),
            "run.toml:2: unknown key model.layer; the nearest known key is "
            "model.layers");
  EXPECT_EQ(parse_message("[model]\nlr = 3\n"),
            "run.toml:2: unknown key model.lr; the nearest known key is "
            "optimizer.lr");
  EXPECT_EQ(parse_message("\n[optimiser]\nlr = 3\n"),
            "run.toml:2: unknown section [optimiser]; the nearest known one "
            "is [optimizer]");
  EXPECT_EQ(parse_message("steps = 3"),
            "run.toml:1: steps stands outside a section; the nearest known "
            "key is train.steps");
  EXPECT_EQ(set_message("train.step=3"),
            "--set train.step=3: unknown key train.step; the nearest known "
            "key is train.steps");
}

TEST(Config, RefusesAValueOfAnotherTypeOrOutOfRange) {
  EXPECT_EQ(parse_message("[model]\nlayers = \"six\""),
            "run.toml:2: model.layers = \"six\" is not a whole number from 1 "
            "to 65536");
  EXPECT_EQ(parse_message("[model]\ndropout = 1.0"),
            "run.toml:2: model.dropout = 1.0 is not a number from 0 to below "
            "1");
  EXPECT_EQ(parse_message("[optimizer]\nlr = nan"),
            "run.toml:2: optimizer.lr = nan is not a number from 0 to 1000");
  EXPECT_EQ(parse_message("[data]\nformat = \"llm\""),
            "run.toml:2: data.format = \"llm\" is not one of \"auto\", "
            "\"llmc\", \"nanogpt\", \"megatron\"");
  EXPECT_EQ(parse_message("[optimizer]\nbetas = [0.9]"),
            "run.toml:2: optimizer.betas is a list of length 1, not a list of "
            "two numbers from 0 to below 1");
  EXPECT_EQ(parse_message("model = 3"),
            "run.toml:1: model is a section: write [model] on a line of its "
            "own, and its keys below");
  EXPECT_EQ(set_message("memory.device_budget=6 apples"),
            "--set memory.device_budget=6 apples: memory.device_budget = \"6 "
            "apples\" is not a size such as \"60GiB\", \"512MiB\" or "
            "\"1.5GB\"");
  EXPECT_EQ(set_message("train.steps"),
            "--set train.steps: write section.key=value, such as "
            "train.steps=100");
  EXPECT_EQ(set_message("train.steps=a b"),
            "--set train.steps=a b: the value is not TOML; train.steps takes "
            "a whole number from 1 to 1000000000000");
  EXPECT_EQ(set_message("train.steps=1\nx=2"),
            "--set train.steps=1\nx=2: give one value at a time");
}

TEST(Config, SaysWhereTheTextIsNotToml) {
  EXPECT_EQ(parse_message("[model]\nlayers == 3")
                .rfind("run.toml:2:9: not TOML: ", 0),
            0U);
  EXPECT_EQ(parse_message("[\n,").rfind("run.toml: not TOML: ", 0), 0U);
  EXPECT_EQ(message_of([] { load_config("/no/such.toml"); }),
            "config /no/such.toml cannot be read: No such file or directory");
}

TEST(Config, TakesCharactersBeyondAsciiInQuotesAndCommentsOnly) {
  for (const char* const bare :
       {"[data]\n\u00e9 = 1", "[data]\ntrain = \u00e9",
        "[run]\nname = \"a\" \ufefe", "S=+'SS''9+''\u0394"}) {
    EXPECT_NE(parse_message(bare).find(": not TOML: "), std::string::npos)
        << bare;
  }
  EXPECT_EQ(parse_message("[run]\n'n\u00e9' = 1"),
            "run.toml:2: unknown key run.n\u00e9; the nearest known key is "
            "run.name");
  EXPECT_EQ(set_message("train.steps=\u00e9"),
            "--set train.steps=\u00e9: the value is not TOML; train.steps "
            "takes a whole number from 1 to 1000000000000");
  EXPECT_EQ(parse_message("[run]\nname = '\xe9'").rfind("run.toml: ", 0), 0U);

  const Config config = parse_config(
      "# \u00e9\n[data]\ntrain = \"d\u00e9 # \\\" '%41\\u0025 \"\n"
      "valid = '\ufefe\\'\n[run]\nname = \"\"\"\u00e9\"\"\"",
      "run.toml");
  EXPECT_EQ(config.data.train, "d\u00e9 # \" '%41% ");
  EXPECT_EQ(config.data.valid, "\ufefe\\");
  EXPECT_EQ(config.run.name, "\u00e9");
}

TEST(Config, ComparesValuesWithEachOther) {
  EXPECT_EQ(check_message({"model.width=100", "model.heads=12"}),
            "model.width = 100 is not a multiple of model.heads = 12; the "
            "nearest widths: 96 and 108");
  EXPECT_EQ(check_message({"model.kv_heads=4"}),
            "model.heads = 6 is not a multiple of model.kv_heads = 4; the "
            "nearest kv_heads: 3");
  EXPECT_EQ(check_message({"model.family=llama", "model.width=30"}),
            "model.width = 30 over model.heads = 6 is a head size of 5, which "
            "rotary positions need even; the nearest widths: 24 and 36");
  EXPECT_EQ(check_message({"train.global_batch=20"}),
            "train.global_batch = 20 is not a multiple of train.micro_batch = "
            "16; the nearest global batches: 16 and 32");
  EXPECT_EQ(check_message({"model.context=128"}),
            "data.sequence = 256 is above model.context = 128; the longest "
            "sequence is 128");
  EXPECT_EQ(check_message({"optimizer.min_lr=0.1"}),
            "optimizer.min_lr = 0.1 is above optimizer.lr = 0.001; the "
            "largest min_lr is 0.001");
  EXPECT_EQ(check_message({"train.steps=10"}),
            "optimizer.warmup = 100 is above train.steps = 10; the longest "
            "warmup is 10");
  EXPECT_EQ(check_message({"parallel.transport=nccl", "train.device=cpu"}),
            "parallel.transport = \"nccl\" carries what lies on CUDA devices, "
            "and train.device = \"cpu\" is the cpu here; the nearest choice is "
            "\"auto\"");
  EXPECT_EQ(check_message({"train.eval_every=5"}),
            "train.eval_every = 5 needs data.valid, which is empty; name "
            "token shards or set eval_every to 0");
  EXPECT_EQ(check_message({"data.train="}).rfind("data.train is missing", 0),
            0U);
  EXPECT_EQ(check_message({}), "nothing was thrown");
}

TEST(Config, ResolvesWhatZeroStandsFor) {
  Config config;
  set(config, "memory.device_budget=1000");

  EXPECT_EQ(kv_heads(config.model), 6);
  EXPECT_EQ(context(config), 256);
  EXPECT_EQ(device_budget_bytes(config), 1000);
  EXPECT_EQ(device_budget_bytes(Config{}), std::nullopt);
  EXPECT_EQ(run_directory(config), "runs/run");
}

// To write the page anew, run this test with WRITE_DOCS set.
TEST(ConfigReference, IsThePageInDocs) {
  const auto page =
      std::filesystem::path(CAIRN_SOURCE_DIR) / "docs" / "config.md";
  if (std::getenv("WRITE_DOCS") != nullptr) {
    std::ofstream(page) << config_reference();
  }
  std::ostringstream text;
  text << std::ifstream(page).rdbuf();

  EXPECT_EQ(text.str(), config_reference());
}

}  // namespace
}  // namespace cairn
