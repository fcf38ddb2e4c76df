// The worker: builds everything a run needs from its config, in short build
// functions, and loops. The root of every lifetime.

#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launcher/config.h"
#include "launcher/engine.h"
#include "launcher/run_plan.h"
#include "launcher/stop_request.h"
#include "launcher/transport.h"
#include "parallel/communicator.h"
#include "runtime/arena.h"
#include "runtime/data/sampler.h"
#include "runtime/data/token_shards.h"
#include "runtime/data/tokenizer.h"
#include "runtime/ledger.h"
#include "runtime/model.h"

namespace cairn {

// A run as its config describes it, before anything is allocated: data opened
// and checked, model made, memory planned. `cairn plan` stops here. Ranks that
// are threads of one process share it.
class Run {
 public:
  // `local_ranks` share this machine's cores; 0 is all ranks of the run. Times
  // are planned from `costs`, or those that the config names, or those that are
  // shipped for the device. Throws kBadArgument or kOutOfMemory for whatever
  // does not go together.
  Run(Config config, const ModelFamilies& families, int local_ranks = 0,
      std::optional<CostModel> costs = {});

  const Config& config() const { return config_; }
  const Model& model() const { return *model_; }
  const RunPlan& plan() const { return plan_; }
  const CostModel& costs() const { return costs_; }  // planned from
  const EngineOptions& options() const { return options_; }
  BackendOptions backend_options() const {  // of a rank
    return {threads_, options_.deterministic};
  }
  const TokenShards& train() const { return *train_; }
  // Null if no validation data is given, or no tokenizer is known.
  const TokenShards* valid() const { return valid_.get(); }
  const Tokenizer* tokenizer() const { return tokenizer_.get(); }

  PlanRequest plan_request() const;  // what the plan was made from

 private:
  void open_data();
  void make_model(const ModelFamilies& families);
  void check_schedule_file() const;
  void make_plan();

  Config config_;
  CostModel costs_;
  std::unique_ptr<TokenShards> train_;
  std::unique_ptr<TokenShards> valid_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Model> model_;
  EngineOptions options_;
  int threads_ = 1;
  RunPlan plan_;
};

// Trains as `read` says, to the end, or until a stop is asked for: in this
// process, with a thread for each rank, or as one of the processes that mpirun
// started. Prints the tables and the progress to `out`. Returns the exit code:
// 0, or 75 when stopped. Failures are thrown, but under mpirun told on stderr,
// by one rank, and returned as exit codes. Call it once in a process.
int train(const std::function<Config()>& read, const ModelFamilies& families,
          std::ostream& out);

// Whether this process is the one that tells the user what all would.
bool speaks_for_all();

// One rank's part of it. Rank 0 writes the run's directory and prints.
int train_rank(const Run& run, World& world, const Seat& seat,
               StopRequest& stop, std::ostream& out);

}  // namespace cairn
