#include "runtime/operands.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/backend.h"
#include "runtime/sim.h"
#include "tests/runtime/op_samples.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(const TensorView& view) {
  return {view.data, view.data + view.bytes()};
}

// Runs operations on the CPU and shows what became of their operands.
class OperandsOnTheCpu : public testing::Test {
 protected:
  OperandsOnTheCpu()
      : backend_(make_backend("cpu", {.threads = 2})),
        stream_(backend_->make_stream("s")),
        workspace_(
            backend_->memory(), *stream_, Owner::kWorkspace, DType::kF32,
            {static_cast<std::int64_t>(backend_->workspace_bytes() / 4)}),
        kernels_(backend_->make_kernels(workspace_)) {}

  // What each operand holds after a run in which those that are only written
  // held `poison` before.
  std::map<std::string, Bytes> after(const KernelOp& op, int poison) {
    visit_operands(op, [&](const ConstOperand& operand) {
      if (operand.access != Access::kWrite) return;
      std::memset(operand.view.data, poison, operand.view.bytes());
    });
    enqueue(*kernels_, *stream_, op);
    stream_->synchronize();
    return now(op);
  }

  static std::map<std::string, Bytes> now(const KernelOp& op) {
    std::map<std::string, Bytes> found;
    visit_operands(op, [&](const ConstOperand& operand) {
      found[operand.name] = bytes_of(operand.view);
    });
    return found;
  }

  static void restore(const KernelOp& op,
                      const std::map<std::string, Bytes>& to) {
    visit_operands(op, [&](const ConstOperand& operand) {
      const Bytes& bytes = to.at(operand.name);
      std::memcpy(operand.view.data, bytes.data(), bytes.size());
    });
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Stream> stream_;
  Tensor workspace_;
  std::unique_ptr<Kernels> kernels_;
};

TEST_F(OperandsOnTheCpu, AreReadAndWrittenAsDeclared) {
  OpSamples samples;
  for (const KernelOp& op : samples.ops()) {
    SCOPED_TRACE(key_of(op));
    const auto before = now(op);
    const auto first = after(op, 0x55);
    restore(op, before);
    const auto second = after(op, 0xAA);

    visit_operands(op, [&](const ConstOperand& operand) {
      SCOPED_TRACE(operand.name);
      switch (operand.access) {
        case Access::kRead:
          EXPECT_EQ(first.at(operand.name), before.at(operand.name));
          break;
        case Access::kWrite:  // every byte is set, whatever was there
          if (operand.name == std::string("scratch")) break;  // not used here
          EXPECT_EQ(first.at(operand.name), second.at(operand.name));
          break;
        case Access::kReadWrite:
          EXPECT_EQ(first.at(operand.name), second.at(operand.name));
          EXPECT_NE(first.at(operand.name), before.at(operand.name));
          break;
      }
    });
  }
}

TEST_F(OperandsOnTheCpu, BelongToTheVerbOfTheirName) {
  OpSamples samples;
  for (KernelOp op : samples.ops()) {
    const bool is_checked = !std::holds_alternative<Fill>(op) &&
                            !std::holds_alternative<Cast>(op) &&
                            !std::holds_alternative<AllFinite>(op);
    if (!is_checked) continue;
    const std::string name = name_of(op);
    visit_operands(op, [](const Operand& operand) {
      operand.view.shape = {1, 1, operand.view.shape.dims() + 1};
      operand.view.dtype = DType::kI32;
    });

    const Error error = thrown([&] { enqueue(*kernels_, *stream_, op); });

    EXPECT_EQ(error.message().rfind(name, 0), 0U) << error.message();
  }
}

template <typename Op>
std::size_t views_in() {
  const bool switches = std::is_same_v<Op, AdamW>;
  return (sizeof(Op) - (switches ? sizeof(Switches) : 0)) / sizeof(TensorView);
}

TEST(Operands, AreEveryViewThatAnOperationHas) {
  OpSamples samples;
  std::map<std::string, std::set<std::string>> declared;
  std::map<std::string, std::size_t> held;
  for (const KernelOp& op : samples.ops()) {
    visit_operands(op, [&](const ConstOperand& operand) {
      declared[name_of(op)].insert(operand.name);
    });
    // Everything else in these structures together, but for switches, is
    // smaller than a view.
    held[name_of(op)] = std::visit(
        [](const auto& which) {
          return views_in<std::decay_t<decltype(which)>>();
        },
        op);
  }

  EXPECT_EQ(held.size(), std::variant_size_v<KernelOp>);
  for (const auto& [name, views] : held) {
    EXPECT_EQ(declared[name].size(), views) << name;
  }
}

TEST(Operands, OfACallOfKernelsAreThoseOfTheOperation) {
  SimMachine machine({});
  const auto backend = machine.make_backend(0, 0);
  const auto stream = backend->make_stream("s");
  const auto kernels = backend->make_kernels({});
  OpSamples samples;
  std::set<std::string> keys;

  for (const KernelOp& op : samples.ops()) {
    enqueue(*kernels, *stream, op);
    keys.insert(key_of(op));
  }

  ASSERT_EQ(machine.kernels().size(), keys.size());
  for (const SimKernel& kernel : machine.kernels()) {
    EXPECT_TRUE(keys.contains(kernel.key)) << kernel.key;
    EXPECT_EQ(key_of(kernel.op), kernel.key);
  }
}

class LinearKey : public testing::Test {
 protected:
  LinearKey() {
    op_.x = {at_, DType::kF32, {4, 8}};
    op_.w = {at_ + 256, DType::kF32, {16, 8}};
    op_.y = {at_ + 1024, DType::kF32, {4, 16}};
  }

  std::byte bytes_[2048] = {};
  std::byte* at_ = bytes_;
  LinearForward op_;
};

TEST_F(LinearKey, NamesTypesShapesAndSettings) {
  EXPECT_EQ(key_of(op_),
            "linear_forward x=f32[4, 8] w=f32[16, 8] y=f32[4, 16]");
  op_.activation = Activation::kGelu;
  op_.pre = {at_ + 512, DType::kBF16, {4, 16}};
  EXPECT_EQ(key_of(op_),
            "linear_forward x=f32[4, 8] w=f32[16, 8] y=f32[4, 16] "
            "pre=bf16[4, 16] gelu");
}

TEST_F(LinearKey, IsTheSameAtOtherAddressesButNotWhenOperandsShareThem) {
  op_.residual = {at_ + 512, DType::kF32, {4, 16}};
  const std::string apart = key_of(op_);
  op_.residual.data = at_ + 600;
  EXPECT_EQ(key_of(op_), apart);
  op_.residual.data = op_.y.data;
  EXPECT_EQ(key_of(op_),
            "linear_forward x=f32[4, 8] w=f32[16, 8] residual=f32[4, 16] "
            "y=f32[4, 16]@residual");
}

TEST_F(LinearKey, TellsDropoutFromNone) {
  const std::string without = key_of(op_);
  op_.dropout.seed = 7;
  EXPECT_EQ(key_of(op_), without);
  op_.dropout.probability = 0.1F;
  EXPECT_EQ(key_of(op_), without + " dropout");
}

TEST_F(LinearKey, ComesWithItsProductsAndBytes) {
  EXPECT_EQ(flops(op_), 2.0 * 4 * 8 * 16);
  EXPECT_EQ(bytes_moved(op_), 4.0 * (4 * 8 + 16 * 8 + 4 * 16));
}

TEST(Flops, AreThoseOfTheHalfSquareOfCausalAttention) {
  AttentionForward forward;
  forward.shape = {2, 64, 4, 2, 16};
  // Two products of 64 x 64 x 16 in each of 4 heads of 2 samples, by half.
  EXPECT_EQ(flops(forward), 2 * 4 * 2 * 2.0 * 64 * 64 * 16 / 2);
  AttentionBackward backward;
  backward.shape = forward.shape;
  EXPECT_EQ(flops(backward), 2.5 * flops(forward));
}

TEST(BytesMoved, CountOfATableOnlyTheRowsLookedUp) {
  std::byte place{};
  EmbeddingForward op;
  op.tokens = {&place, DType::kI32, {8}};
  op.table = {&place, DType::kF32, {1000, 4}};
  op.y = {&place, DType::kF32, {8, 4}};
  EXPECT_EQ(bytes_moved(op), 4.0 * (8 + 8 * 4 + 8 * 4));
}

}  // namespace
}  // namespace cairn
