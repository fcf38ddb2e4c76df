#include "sharding/sharded_optimizer.h"

#include <gtest/gtest.h>

#include "parallel/sim_world.h"
#include "runtime/ledger.h"
#include "runtime/sim.h"
#include "tests/support/declared_block.h"

namespace cairn {
namespace {

ParameterSpec matrix(const std::string& name, std::int64_t rows,
                     std::int64_t width) {
  return {name, {rows, width}, Init::kNormal, 0.1F};
}

// One rank of two, on a machine that writes down what it is asked for.
struct PretendRank {
  PretendRank(const Model& model, int stage, DType dtype)
      : backend(machine.make_backend(0, 64)),
        memory(machine.make_memory(0, backend->memory())),
        world(make_sim_world(machine, 0, 2)),
        stream(backend->make_stream("compute")),
        workspace(*memory, *stream, Owner::kWorkspace, DType::kF32, {16}),
        kernels(backend->make_kernels(workspace)),
        parameters(compute(), timeline, *world, model, sharding(stage, dtype)),
        optimizer(compute(), *world, model, parameters, {}, {{0, 1}, {0}}) {}

  static ShardingOptions sharding(int stage, DType dtype) {
    ShardingOptions options;
    options.stage = stage;
    options.blocks = {0};
    options.data_ranks = {0, 1};
    options.most_rows = 1;
    options.dtype = dtype;
    return options;
  }

  Compute compute() { return {*backend, *memory, *stream, *kernels}; }

  // The updates that one step enqueues.
  std::vector<AdamW> updates() {
    std::vector<TensorView> gradients;
    parameters.gradients_of(0, 0, gradients);
    parameters.reduce(0, 0, {});
    optimizer.step(0, 1e-3F);
    std::vector<AdamW> all;
    for (const SimKernel& kernel : machine.kernels()) {
      if (const auto* op = std::get_if<AdamW>(&kernel.op)) {
        all.insert(all.end(), static_cast<std::size_t>(kernel.calls), *op);
      }
    }
    return all;
  }

  SimMachine machine{CostModel{}};
  std::unique_ptr<Backend> backend;
  std::unique_ptr<MemoryResource> memory;
  std::unique_ptr<World> world;
  std::unique_ptr<Stream> stream;
  Tensor workspace;
  std::unique_ptr<Kernels> kernels;
  Timeline timeline;
  ShardedParameters parameters;
  ShardedOptimizer optimizer;
};

// Two vectors, two matrices, a vector: each on a line of 64 elements or more.
Model mixed_model() {
  return Model(
      declared({{vector_of("a", 3), vector_of("b", 64), matrix("c", 5, 20),
                 matrix("d", 2, 2), vector_of("e", 10)}}));
}

std::vector<std::int64_t> sizes(const std::vector<AdamW>& updates) {
  std::vector<std::int64_t> all;
  for (const AdamW& op : updates) all.push_back(op.param.elements());
  return all;
}

TEST(ShardedOptimizer, UpdatesNeighboursThatDecayAlikeTogether) {
  const Model model = mixed_model();
  PretendRank rank(model, 0, DType::kF32);

  const std::vector<AdamW> updates = rank.updates();

  EXPECT_EQ(sizes(updates), (std::vector<std::int64_t>{128, 132, 10}));
  EXPECT_EQ(updates[0].decay, 0.0F);
  EXPECT_EQ(updates[1].decay, AdamWOptions{}.weight_decay);
  EXPECT_EQ(updates[2].decay, 0.0F);
}

// 384 elements in six pieces, of which the first three are this rank's.
TEST(ShardedOptimizer, UpdatesOnlyWhatIsItsOwn) {
  const Model model = mixed_model();
  for (const int stage : {1, 2, 3}) {
    PretendRank rank(model, stage, DType::kBF16);

    const std::vector<AdamW> updates = rank.updates();

    EXPECT_EQ(sizes(updates), (std::vector<std::int64_t>{128, 64})) << stage;
  }
}

TEST(ShardedOptimizer, WritesBf16WeightsBesideTheirMasters) {
  const Model model = mixed_model();
  PretendRank rank(model, 0, DType::kBF16);
  const ShardedParameters::Unit& unit = rank.parameters.units().front();

  const std::vector<AdamW> updates = rank.updates();

  for (const AdamW& op : updates) {
    const std::ptrdiff_t master = op.param.data - unit.master.view().data;
    const std::ptrdiff_t copy = op.copy.data - unit.weights.view().data;
    EXPECT_EQ(op.copy.dtype, DType::kBF16);
    EXPECT_EQ(op.copy.shape, op.param.shape);
    EXPECT_EQ(2 * copy, master);
  }
  EXPECT_EQ(updates.size(), 3U);
}

}  // namespace
}  // namespace cairn
