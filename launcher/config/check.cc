// Values that must go together. Each mistake names both and the nearest way
// out.

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "launcher/byte_size.h"
#include "launcher/config.h"
#include "launcher/config/schema.h"
#include "parallel/worlds.h"
#include "runtime/backend.h"
#include "runtime/error.h"

namespace cairn {
namespace {

std::string named(const char* key, std::int64_t value) {
  return std::string(key) + " = " + std::to_string(value);
}

std::string named(const char* key, double value) {
  return std::string(key) + " = " + to_toml(Value(value));
}

void check_that(bool holds, const std::string& message) {
  if (!holds) throw Error(Code::kBadArgument, message);
}

// "96 and 108": the multiples of `unit` on both sides of `value`.
std::string multiples_near(std::int64_t value, std::int64_t unit) {
  const std::int64_t below = value / unit * unit;
  const std::string above = std::to_string(below + unit);
  return below == 0 ? above : std::to_string(below) + " and " + above;
}

std::int64_t nearest_divisor(std::int64_t number, std::int64_t wanted) {
  std::int64_t best = 1;
  for (std::int64_t d = 1; d <= number; ++d) {
    if (number % d != 0) continue;
    if (std::abs(d - wanted) < std::abs(best - wanted)) best = d;
  }
  return best;
}

void check_model(const ModelSection& model) {
  check_that(model.width % model.heads == 0,
             named("model.width", model.width) + " is not a multiple of " +
                 named("model.heads", model.heads) + "; the nearest widths: " +
                 multiples_near(model.width, model.heads));
  const std::int64_t shared = kv_heads(model);
  check_that(model.heads % shared == 0,
             named("model.heads", model.heads) + " is not a multiple of " +
                 named("model.kv_heads", shared) + "; the nearest kv_heads: " +
                 std::to_string(nearest_divisor(model.heads, shared)));
  const std::int64_t head_size = model.width / model.heads;
  check_that(model.family != "llama" || head_size % 2 == 0,
             named("model.width", model.width) + " over " +
                 named("model.heads", model.heads) + " is a head size of " +
                 std::to_string(head_size) +
                 ", which rotary positions need even; the nearest widths: " +
                 multiples_near(model.width, 2 * model.heads));
}

void check_batches(const Config& config) {
  const TrainSection& train = config.train;
  check_that(train.global_batch % train.micro_batch == 0,
             named("train.global_batch", train.global_batch) +
                 " is not a multiple of " +
                 named("train.micro_batch", train.micro_batch) +
                 "; the nearest global batches: " +
                 multiples_near(train.global_batch, train.micro_batch));
  const std::int64_t data = config.parallel.data;
  const std::int64_t unit = train.micro_batch * data;
  check_that(train.global_batch % unit == 0,
             named("train.global_batch", train.global_batch) +
                 " does not divide into micro-batches of " +
                 std::to_string(train.micro_batch) + " on " +
                 named("parallel.data", data) +
                 " replicas; the nearest global batches: " +
                 multiples_near(train.global_batch, unit));
  check_that(config.data.sequence <= context(config),
             named("data.sequence", config.data.sequence) + " is above " +
                 named("model.context", config.model.context) +
                 "; the longest sequence is " +
                 std::to_string(config.model.context));
}

// What would make as many stages as there are blocks, or fewer.
std::string fewer_stages(const ParallelSection& parallel, std::int64_t blocks) {
  const std::int64_t ranks = blocks / parallel.chunks;
  const std::int64_t chunks = blocks / parallel.pipeline;
  std::string text;
  if (ranks > 0) {
    text = "the largest pipeline with these chunks is " + std::to_string(ranks);
  }
  if (chunks > 0) {
    text +=
        (text.empty() ? "" : ", ") +
        ("the most chunks with this pipeline are " + std::to_string(chunks));
  }
  return text.empty() ? "set one of the two to 1" : text;
}

void check_parallel(const Config& config) {
  const ParallelSection& parallel = config.parallel;
  const std::int64_t stages = parallel.pipeline * parallel.chunks;
  const std::int64_t blocks = config.model.layers + 2;
  check_that(stages <= blocks,
             named("parallel.pipeline", parallel.pipeline) + " times " +
                 named("parallel.chunks", parallel.chunks) + " is " +
                 std::to_string(stages) + " stages, and " +
                 named("model.layers", config.model.layers) +
                 " with embedding and head are " + std::to_string(blocks) +
                 " blocks; " + fewer_stages(parallel, blocks));
  const bool chunked =
      parallel.schedule == "interleaved" || parallel.schedule == "gpipe";
  check_that(parallel.chunks == 1 || chunked || !parallel.schedule_file.empty(),
             named("parallel.chunks", parallel.chunks) +
                 " needs schedule = \"interleaved\" or \"gpipe\", and "
                 "parallel.schedule is \"" +
                 parallel.schedule + "\"; the nearest chunks: 1");
  const std::int64_t groups = parallel.gradient_groups;
  check_that(groups == 1 || (stages == 1 && parallel.data == 1),
             named("parallel.gradient_groups", groups) +
                 " repeats the sums of replicas on one rank, and the run has " +
                 std::to_string(parallel.pipeline * parallel.data) +
                 " ranks and " + std::to_string(stages) +
                 " stages; set it to 1");
  const std::int64_t microbatches =
      config.train.global_batch / config.train.micro_batch;
  check_that(microbatches % groups == 0,
             "the " + std::to_string(microbatches) +
                 " micro-batches of a step do not divide into " +
                 named("parallel.gradient_groups", groups) +
                 "; the nearest number of groups: " +
                 std::to_string(nearest_divisor(microbatches, groups)));
}

void check_schedule(const Config& config) {
  const OptimizerSection& optimizer = config.optimizer;
  check_that(optimizer.min_lr <= optimizer.lr,
             named("optimizer.min_lr", optimizer.min_lr) + " is above " +
                 named("optimizer.lr", optimizer.lr) +
                 "; the largest min_lr is " + to_toml(Value(optimizer.lr)));
  check_that(optimizer.warmup <= config.train.steps,
             named("optimizer.warmup", optimizer.warmup) + " is above " +
                 named("train.steps", config.train.steps) +
                 "; the longest warmup is " +
                 std::to_string(config.train.steps));
}

void check_transport(const Config& config) {
  if (config.parallel.transport != "nccl") return;
  check_that(device_of(config) == Device::Kind::kCuda,
             "parallel.transport = \"nccl\" carries what lies on CUDA devices, "
             "and train.device = \"" +
                 config.train.device +
                 "\" is the cpu here; the nearest choice is \"auto\"");
}

void check_run(const Config& config) {
  check_that(!config.data.train.empty(),
             "data.train is missing; name the token shards to train on, made "
             "by cairn data prepare");
  check_that(config.train.eval_every == 0 || !config.data.valid.empty(),
             named("train.eval_every", config.train.eval_every) +
                 " needs data.valid, which is empty; name token shards or "
                 "set eval_every to 0");
  const std::string& name = config.run.name;
  const bool plain = !name.empty() && name != "." && name != ".." &&
                     name.find('/') == std::string::npos;
  check_that(plain || !config.run.directory.empty(),
             "run.name = \"" + name +
                 "\" does not name a directory below runs/; choose a plain "
                 "name or set run.directory");
}

}  // namespace

void check(const Config& config) {
  check_model(config.model);
  check_batches(config);
  check_parallel(config);
  check_schedule(config);
  check_transport(config);
  check_run(config);
}

void check_device_is_here(const Config& config) {
  check_that(config.parallel.transport != "nccl" || nccl_is_built(),
             "parallel.transport = \"nccl\", and Cairn was built without NCCL; "
             "install libnccl-dev and build again, or choose \"host\"");
  if (config.train.device != "cuda") return;
  const auto names = backend_names();
  const bool built =
      std::find(names.begin(), names.end(), "cuda") != names.end();
  check_that(built,
             "train.device = \"cuda\", and Cairn was built without CUDA; "
             "install the CUDA toolkit and build again, or choose \"cpu\"");
  check_that(names.front() == "cuda",
             "train.device = \"cuda\", and no CUDA device was found; see what "
             "nvidia-smi lists, or choose \"cpu\"");
}

Device::Kind device_of(const Config& config) {
  const bool best =
      config.train.device == "auto" && backend_names().front() == "cuda";
  return best || config.train.device == "cuda" ? Device::Kind::kCuda
                                               : Device::Kind::kCpu;
}

std::int64_t kv_heads(const ModelSection& model) {
  return model.kv_heads == 0 ? model.heads : model.kv_heads;
}

std::int64_t context(const Config& config) {
  return config.model.context == 0 ? config.data.sequence
                                   : config.model.context;
}

std::optional<std::int64_t> device_budget_bytes(const Config& config) {
  return parse_byte_size(config.memory.device_budget);
}

std::chrono::milliseconds timeout_of(const Config& config) {
  return std::chrono::milliseconds(
      std::max<std::int64_t>(1, std::llround(1e3 * config.parallel.timeout)));
}

std::filesystem::path run_directory(const Config& config) {
  if (!config.run.directory.empty()) return config.run.directory;
  return std::filesystem::path("runs") / config.run.name;
}

}  // namespace cairn
