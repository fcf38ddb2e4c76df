#include "parallel/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "parallel/sim_world.h"
#include "runtime/error.h"
#include "tests/parallel/composed.h"
#include "tests/parallel/toy_pipeline.h"
#include "tests/support/scribbling_memory.h"
#include "tests/support/thread_ranks.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using ::testing::ElementsAre;

Schedule with_all_transfers(const std::string& name, const PipelineShape& shape,
                            int receive_ahead) {
  return with_transfers(schedule_named(name, shape), receive_ahead);
}

ToyPipeline pipeline_for(const std::string& name, const PipelineShape& shape) {
  return {shape, 12 / shape.stages(), capacity_for(name, shape)};
}

// Twelve blocks in one stage, micro-batch after micro-batch.
std::map<int, std::vector<float>> on_one_rank(int microbatches) {
  const PipelineShape shape{1, 1, microbatches};
  return toy_gradients(pipeline_for("1f1b", shape),
                       schedule_named("1f1b", shape));
}

TEST(Executor, GivesTheSameBitsUnderEveryScheduleAndCut) {
  const auto want = on_one_rank(6);
  ASSERT_EQ(want.size(), 12U);
  EXPECT_NE(want.at(0).front(), 0.0F);

  for (const PipelineShape& shape : std::vector<PipelineShape>{
           {1, 1, 6}, {2, 1, 6}, {3, 1, 6}, {4, 1, 6}, {2, 2, 6}, {1, 3, 6}}) {
    for (const std::string& name : names_for(shape)) {
      for (const int ahead : {0, 1, 3}) {
        const Schedule schedule = with_all_transfers(name, shape, ahead);
        EXPECT_EQ(toy_gradients(pipeline_for(name, shape), schedule), want)
            << name << ", " << shape.ranks << " ranks, " << shape.chunks
            << " chunks, receives " << ahead << " ahead";
      }
    }
  }
}

TEST(Executor, GivesTheSameBitsBlockByBlock) {
  const PipelineShape shape{2, 1, 6};
  const ToyPipeline pipeline = pipeline_for("zb-h1", shape);

  const Schedule schedule =
      with_blocks(with_all_transfers("zb-h1", shape, 1), {6, 6});

  EXPECT_EQ(toy_gradients(pipeline, schedule), on_one_rank(6));
}

TEST(Executor, SplitsABackwardIntoHalvesToTheSameBits) {
  const ToyPipeline pipeline{{1, 1, 2}, 3, 1};
  const auto gradients_of = [&](const std::string& program) {
    return toy_gradients(pipeline,
                         {pipeline.shape, {program_from_text(program)}});
  };

  const auto whole = gradients_of("F0.0 F0.1 B0.0 B0.1");

  EXPECT_EQ(gradients_of("F0.0 F0.1 I0.0 W0.0 I0.1 W0.1"), whole);
  EXPECT_EQ(gradients_of("F0.0 F0.1 I0.1 I0.0 W0.0 W0.1"), whole);
  EXPECT_EQ(gradients_of("F0.0 F0.1 B0.0 I0.1/2 I0.1/1 W0.1/2 I0.1/0 W0.1/0 "
                         "W0.1/1"),
            whole);
}

// A rank whose program fails while something is on its way to it.
TEST(Executor, KeepsWhatItReceivesUntilTheTransferIsOver) {
  const ToyPipeline pipeline{{2, 1, 1}, 2, 1};
  std::promise<void> failed;
  on_threads(2, [&](World& world) {
    const auto backend = make_backend("cpu", {1});
    const auto stream = backend->make_stream("memory");
    ScribblingMemory memory(backend->memory(), *stream);
    {
      ToyRank rank(*backend, memory, world, pipeline);
      if (world.rank() == 0) {
        failed.get_future().wait();
        EXPECT_THROW(rank.executor().run(program_from_text("F0.0 so0.0 B0.0")),
                     Error);
      } else {
        EXPECT_THROW(rank.executor().run(program_from_text("ri1.0 B1.0")),
                     Error);
        failed.set_value();
      }
    }
    EXPECT_TRUE(memory.untouched()) << "on rank " << world.rank();
  });
}

// One rank of two or more on a machine that pretends, for programs that are
// wrong.
class OnSim : public testing::Test {
 protected:
  explicit OnSim(const ToyPipeline& pipeline = {{2, 1, 2}, 2, 1})
      : pipeline_(pipeline) {
    backend_ = machine_.make_backend(0, 0);
    memory_ = machine_.make_memory(0, backend_->memory());
    world_ = make_sim_world(machine_, 0, pipeline.shape.ranks);
    rank_ = std::make_unique<ToyRank>(*backend_, *memory_, *world_, pipeline);
  }

  std::string refusal(const std::string& program) {
    const Error error =
        thrown([&] { rank_->executor().run(program_from_text(program)); });
    EXPECT_EQ(error.code(), Code::kBadArgument);
    return error.message();
  }

  ToyPipeline pipeline_;
  SimMachine machine_{CostModel{}};
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<MemoryResource> memory_;
  std::unique_ptr<World> world_;
  std::unique_ptr<ToyRank> rank_;
};

TEST_F(OnSim, AStageOfAnotherRankIsRefused) {
  EXPECT_EQ(refusal("F0.0 F1.0"),
            "F1.0 is of a stage that this rank does not have");
}

TEST_F(OnSim, WhatWasNeverMadeIsRefused) {
  EXPECT_EQ(refusal("so0.1"),
            "so0.1 takes what was not made before it, or was taken already");
}

TEST_F(OnSim, ABlockBeforeTheOneBelowItIsRefused) {
  EXPECT_EQ(refusal("F0.0/1"),
            "F0.0/1 takes what was not made before it, or was taken already");
}

TEST_F(OnSim, ABackwardWithoutItsGradientIsRefused) {
  EXPECT_EQ(refusal("F0.0 so0.0 B0.0"),
            "B0.0 takes what was not made before it, or was taken already");
}

TEST_F(OnSim, TakingTwiceIsRefused) {
  EXPECT_EQ(refusal("F0.0 so0.0 so0.0"),
            "so0.0 takes what was not made before it, or was taken already");
}

TEST_F(OnSim, ABackwardTwiceIsRefused) {
  EXPECT_EQ(refusal("F0.0 so0.0 rg0.0 B0.0 B0.0"),
            "B0.0 takes what was not made before it, or was taken already");
}

TEST_F(OnSim, AWeightHalfBeforeItsInputHalfOrTwiceIsRefused) {
  EXPECT_EQ(refusal("F0.0 so0.0 rg0.0 W0.0"),
            "W0.0 comes before its input half, or twice");
}

TEST_F(OnSim, AWeightHalfTwiceIsRefused) {
  EXPECT_EQ(refusal("F0.0 so0.0 rg0.0 I0.0 W0.0 W0.0"),
            "W0.0 comes before its input half, or twice");
}

TEST_F(OnSim, ATransferOverTheEndOfThePipelineIsRefused) {
  EXPECT_EQ(refusal("F0.0 ri0.0"),
            "ri0.0 crosses from stage -1 to 0, which have no channel here");
}

TEST_F(OnSim, WhatIsLeftOverIsCounted) {
  EXPECT_EQ(refusal("F0.0 so0.0 F0.1 rg0.0 I0.0"),
            "a program leaves work over: 1 inputs, 0 gradients and 2 weight "
            "halves after I0.0");
}

TEST_F(OnSim, AGradientLeftOverIsCounted) {
  EXPECT_EQ(refusal("F0.0 so0.0 rg0.0"),
            "a program leaves work over: 0 inputs, 1 gradients and 0 weight "
            "halves after rg0.0");
}

TEST_F(OnSim, VerbsOfParametersGoToTheStageByBlock) {
  rank_->executor().run(program_from_text(
      "G0/0 F0.0/0 D0/0 G0/1 F0.0/1 D0/1 so0.0 rg0.0 B0.0 R0.0/1 rs0 R0.0/0 "
      "ss0"));

  EXPECT_THAT(rank_->stage(0).notes,
              ElementsAre("G 0", "D 0", "G 1", "D 1", "R0 of 1", "rs0",
                          "R0 of 0", "ss0"));
}

// Told of values that are watched.
class Notes final : public Watch {
 public:
  void forward_done(const SlotKey& key, const TensorView& output) override {
    add(key, output ? "F" : "F without output");
  }
  void backward_done(const SlotKey& key, const Call& call,
                     const TensorView& gradient) override {
    EXPECT_EQ(call.gradients.size(), 1U);
    add(key, gradient ? "B" : "B without gradient");
  }

  std::vector<std::string> all;

 private:
  void add(const SlotKey& key, const std::string& what) {
    all.push_back(what + " " + std::to_string(key.microbatch) + "/" +
                  std::to_string(key.block));
  }
};

class OneStageOnSim : public OnSim {
 protected:
  OneStageOnSim() : OnSim({{1, 1, 1}, 2, 1}) {}
};

TEST_F(OneStageOnSim, AWatchSeesEveryValueOnce) {
  Notes notes;

  rank_->executor().run(program_from_text("F0.0 I0.0 W0.0"), &notes);

  EXPECT_THAT(notes.all,
              ElementsAre("F 0/0", "F without output 0/1", "B 0/1", "B 0/0"));
}

}  // namespace
}  // namespace cairn
