#include "checkpoint/activations/policy_store.h"

#include <gtest/gtest.h>

#include "runtime/backend.h"
#include "runtime/blocks.h"
#include "runtime/error.h"

namespace cairn {
namespace {

TEST(PolicyNamed, KeepsFewerGroupsFromKeepToBoundary) {
  BlockShape shape;
  shape.width = 8;
  shape.heads = 2;
  shape.kv_heads = 2;
  shape.ffn = 32;
  const auto block = make_gpt2_block("b", shape);
  std::vector<std::size_t> kept;
  for (const std::string& name : policy_names()) {
    const Policy policy = policy_named(name);
    std::size_t bytes = 0;
    for (const GroupSpec& group : block->groups({1, 4}, DType::kF32)) {
      if (policy({}, group) == Keeping::kKeep) bytes += group.bytes;
    }
    kept.push_back(bytes);
  }

  // In units of one row of the residual stream: 16 + statistics, 10, 2, 1.
  const std::size_t row = 4 * 8 * sizeof(float);
  const std::size_t stats = 2 * 4 * sizeof(float);
  const std::size_t lse = 4 * 2 * sizeof(float);
  EXPECT_EQ(kept[0], 16 * row + 2 * stats + lse);
  EXPECT_EQ(kept[1], 10 * row + lse);
  EXPECT_EQ(kept[2], 2 * row + lse);
  EXPECT_EQ(kept[3], row);
}

TEST(PolicyNamed, NamesThePoliciesThereAre) {
  try {
    policy_named("some");
    FAIL() << "an unknown policy was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(),
              "no activation policy is named \"some\"; there are keep, cheap, "
              "attention, boundary");
  }
}

// A block of four groups that counts how it is asked to make them again.
class Counting final : public Block {
 public:
  std::vector<ParameterSpec> parameters() const override { return {}; }
  std::vector<GroupSpec> groups(const BatchShape&, DType) const override {
    return {{"input", Remake::kNever, 4},
            {"normed", Remake::kElementwise, 4},
            {"product", Remake::kMatrix, 4},
            {"mixed", Remake::kAttention, 4}};
  }
  Shape output_shape(const BatchShape&) const override { return {1}; }
  Tensor forward(const Call& call, const Tensor& input,
                 Saved* saved) const override {
    saved->groups.assign(4, {input, {}});
    rebuild(call, *saved);
    return input;
  }
  void rebuild(const Call& call, Saved& saved) const override {
    ++rebuilds;
    for (int g = 1; g < 4; ++g) {
      if (saved.has(g)) continue;
      remade.push_back(g);
      saved.groups[g].tensor = call.make(Owner::kActivations, {1});
    }
  }
  Tensor backward_input(const Call&, Tensor dy, Saved,
                        WeightWork&) const override {
    return dy;
  }
  double flops(const BatchShape&) const override { return 0; }

  mutable int rebuilds = 0;
  mutable std::vector<int> remade;
};

class Store : public testing::Test {
 protected:
  Store()
      : backend_(make_backend("sim", {})),
        stream_(backend_->make_stream("s")),
        kernels_(backend_->make_kernels({})) {}

  // Puts and takes through a store under `policy`; what was made again.
  std::vector<int> remade_under(const std::string& policy) {
    Timeline timeline;
    PolicyStore store(policy_named(policy), timeline);
    const Call call{*kernels_, *stream_, backend_->memory()};
    const Counting block;
    Saved saved;
    const Tensor input = call.make(Owner::kActivations, {1});
    static_cast<void>(block.forward(call, input, &saved));
    store.put({0, 2, 1}, block, call, std::move(saved));
    const Saved back = store.take({0, 2, 1}, block, call);
    for (int g = 0; g < 4; ++g) EXPECT_TRUE(back.has(g)) << g;
    return block.remade;
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Kernels> kernels_;
};

TEST_F(Store, HasOnlyWhatThePolicyDroppedMadeAgain) {
  EXPECT_EQ(remade_under("keep"), std::vector<int>{});
  EXPECT_EQ(remade_under("cheap"), std::vector<int>{1});
  EXPECT_EQ(remade_under("attention"), (std::vector<int>{1, 2}));
  EXPECT_EQ(remade_under("boundary"), (std::vector<int>{1, 2, 3}));
}

TEST_F(Store, GivesASlotBackOnceOnly) {
  Timeline timeline;
  PolicyStore store(policy_named("keep"), timeline);
  const Call call{*kernels_, *stream_, backend_->memory()};
  const Counting block;
  Saved saved;
  static_cast<void>(
      block.forward(call, call.make(Owner::kActivations, {1}), &saved));
  store.put({0, 2, 1}, block, call, std::move(saved));
  store.take({0, 2, 1}, block, call);

  EXPECT_THROW(store.take({0, 2, 1}, block, call), Error);
}

}  // namespace
}  // namespace cairn
