#include "runtime/cpu/widening.h"

#include <deque>
#include <future>
#include <map>
#include <set>

#include "kernel_lab.h"
#include "op_samples.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using Halves = std::vector<std::uint16_t>;

constexpr std::uint16_t kPoison = 0x7FC0;  // NaN
constexpr std::uint16_t kOne = 0x3F80;

TensorView view_of(Halves& halves) {
  return {reinterpret_cast<std::byte*>(halves.data()),
          DType::kBF16,
          {static_cast<std::int64_t>(halves.size())}};
}

std::vector<std::byte> bytes_of(const TensorView& view) {
  return {view.data, view.data + view.bytes()};
}

// The CPU's kernels for both types.
class WideLab {
 public:
  Kernels& kernels() { return *kernels_; }
  CpuStream& stream() { return stream_; }

  void run(const KernelOp& op) {
    enqueue(*kernels_, stream_, op);
    stream_.synchronize();
  }

  // Leaves NaN in all of the scratch of operations that are not larger.
  void poison_scratch() {
    Halves nan(1 << 14, kPoison);
    run(Add{view_of(nan), view_of(nan)});
  }

 private:
  Team team_{2};
  Singles workspace_{{static_cast<std::int64_t>(cpu_workspace_bytes(2) / 4)}};
  CpuStream stream_{"lab"};
  std::unique_ptr<Kernels> kernels_ =
      make_widening_kernels(make_cpu_kernels(team_, workspace_));
};

// Operands that are f32 whatever the activations are.
bool stays_f32(const std::string& name) {
  static const std::set<std::string> kNames = {
      "residual_sums", "dx_sums",    "dw",       "dbias",  "dweight",
      "stats",         "lse",        "partials", "loss",   "losses",
      "drows",         "dpositions", "dtable",   "finite", "scratch"};
  return kNames.contains(name);
}

bool has_activations(const KernelOp& op) {
  return !std::holds_alternative<SquaredNorm>(op) &&
         !std::holds_alternative<ClipFactor>(op) &&
         !std::holds_alternative<AdamW>(op) &&
         !std::holds_alternative<FillNormal>(op) &&
         !std::holds_alternative<Fill>(op) && !std::holds_alternative<Cast>(op);
}

// An operation on copies of another's operands, activations in `dtype`.
class Copied {
 public:
  Copied(const KernelOp& op, DType dtype) : op_(op) {
    const bool converts = has_activations(op);
    visit_operands(op_, [&](const Operand& operand) {
      const bool activation = converts && operand.view.dtype == DType::kF32 &&
                              !stays_f32(operand.name);
      operand.view =
          copy(operand.view, activation ? dtype : operand.view.dtype);
    });
  }

  const KernelOp& op() const { return op_; }

  TensorView operand(const std::string& name) const {
    TensorView found;
    visit_operands(op_, [&](const ConstOperand& operand) {
      if (operand.name == name) found = operand.view;
    });
    return found;
  }

  // Has `name` share the bytes of `other`.
  void put_on(const std::string& name, const std::string& other) {
    const TensorView onto = operand(other);
    visit_operands(op_, [&](const Operand& operand) {
      if (operand.name == name) operand.view.data = onto.data;
    });
  }

  // NaN in every bf16 that is set and not read.
  void poison() {
    visit_operands(op_, [](const Operand& operand) {
      if (operand.access != Access::kWrite) return;
      if (operand.view.dtype != DType::kBF16) return;
      std::fill_n(reinterpret_cast<std::uint16_t*>(operand.view.data),
                  operand.view.elements(), kPoison);
    });
  }

  // What it sets, in f32 values of the activations' type.
  std::map<std::string, std::vector<float>> results() const {
    std::map<std::string, std::vector<float>> all;
    visit_operands(op_, [&](const ConstOperand& operand) {
      if (operand.access == Access::kRead) return;
      if (operand.view.dtype == DType::kF64) return;
      Singles wide(operand.view.shape);
      Lab lab(1);
      lab(&Kernels::cast, operand.view, static_cast<TensorView>(wide));
      all[operand.name] = wide.data;
    });
    return all;
  }

 private:
  TensorView copy(const TensorView& from, DType dtype) {
    held_.emplace_back(static_cast<std::size_t>(from.elements()));
    const TensorView to{reinterpret_cast<std::byte*>(held_.back().data()),
                        dtype, from.shape};
    Lab lab(1);
    lab(&Kernels::cast, from, to);
    return to;
  }

  KernelOp op_;
  std::deque<std::vector<double>> held_;  // enough for every type
};

std::vector<float> rounded(std::vector<float> values) {
  for (float& value : values) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t odd = bits >> 16 & 1U;
    value = std::bit_cast<float>((bits + 0x7FFFU + odd) & 0xFFFF0000U);
  }
  return values;
}

// Made of a result that is rounded first; another case tells of these.
bool follows(const KernelOp& op, const std::string& name) {
  if (const auto* norm = std::get_if<NormForward>(&op)) {
    return norm->branch && (name == "y" || name == "stats");
  }
  const auto* linear = std::get_if<LinearForward>(&op);
  return linear != nullptr && linear->pre && name == "y";
}

TEST(Widening, GivesWhatF32GivesRoundedForEveryOperation) {
  const OpSamples samples;
  for (const KernelOp& op : samples.ops()) {
    SCOPED_TRACE(key_of(op));
    Copied want(op, DType::kF32);
    Lab f32(2);
    enqueue(f32.kernels(), f32.stream(), want.op());
    f32.stream().synchronize();
    Copied found(op, DType::kBF16);
    found.poison();
    WideLab lab;
    lab.poison_scratch();

    lab.run(found.op());

    const auto results = found.results();
    for (const auto& [name, values] : want.results()) {
      if (follows(op, name) || name == "logits" || name == "partials") continue;
      const bool halves = found.operand(name).dtype == DType::kBF16;
      EXPECT_EQ(results.at(name), halves ? rounded(values) : values) << name;
    }
  }
}

TEST(Widening, ChangesNoOperandThatIsRead) {
  const OpSamples samples;
  for (const KernelOp& op : samples.ops()) {
    SCOPED_TRACE(key_of(op));
    const Copied copied(op, DType::kBF16);
    std::map<std::string, std::vector<std::byte>> before;
    visit_operands(copied.op(), [&](const ConstOperand& operand) {
      if (operand.access != Access::kRead) return;
      before[operand.name] = bytes_of(operand.view);
    });
    WideLab lab;

    lab.run(copied.op());

    for (const auto& [name, bytes] : before) {
      EXPECT_EQ(bytes_of(copied.operand(name)), bytes) << name;
    }
  }
}

// A sum and its norm, a product and its activation: as making again would.
TEST(Widening, NormsASumAsItWasRounded) {
  const OpSamples samples;
  int seen = 0;
  for (const KernelOp& op : samples.ops()) {
    if (!std::holds_alternative<NormForward>(op)) continue;
    ++seen;
    const Copied found(op, DType::kBF16);
    WideLab lab;
    lab.run(found.op());
    Copied again(found.op(), DType::kBF16);
    auto norm = std::get<NormForward>(again.op());
    norm.x = norm.sum;
    norm.branch = norm.sum = {};
    norm.dropout = {};

    lab.run(norm);

    EXPECT_EQ(bytes_of(norm.y), bytes_of(found.operand("y")));
    EXPECT_EQ(bytes_of(norm.stats), bytes_of(found.operand("stats")));
  }
  EXPECT_GT(seen, 0);
}

TEST(Widening, ActivatesWhatItStoresAsItWasRounded) {
  const OpSamples samples;
  int seen = 0;
  for (const KernelOp& op : samples.ops()) {
    const auto* linear = std::get_if<LinearForward>(&op);
    if (linear == nullptr || linear->activation == Activation::kNone) continue;
    ++seen;
    const Copied found(op, DType::kBF16);
    WideLab lab;
    lab.run(found.op());
    Halves again(static_cast<std::size_t>(found.operand("y").elements()));
    const Gelu gelu{
        found.operand("pre"),
        {view_of(again).data, DType::kBF16, found.operand("y").shape}};

    lab.run(gelu);

    EXPECT_EQ(bytes_of(gelu.y), bytes_of(found.operand("y")));
    Copied unkept(found.op(), DType::kBF16);
    auto without = std::get<LinearForward>(unkept.op());
    without.pre = {};
    lab.run(without);
    EXPECT_EQ(bytes_of(without.y), bytes_of(gelu.y));
  }
  EXPECT_GT(seen, 0);
}

struct InPlace {
  std::string verb;
  std::string result;
  std::string operand;
};

TEST(Widening, WorksInPlaceWhereTheOperationDoes) {
  const std::vector<InPlace> cases{{"linear_forward", "y", "residual"},
                                   {"norm_forward", "sum", "x"},
                                   {"norm_forward", "sum", "branch"},
                                   {"norm_backward", "dx", "residual"},
                                   {"norm_backward", "dx", "dy"},
                                   {"swiglu_backward", "dgate_up", "gate_up"},
                                   {"swiglu_backward", "y", "dy"},
                                   {"dropout", "y", "x"}};
  const OpSamples samples;
  for (const InPlace& each : cases) {
    int seen = 0;
    for (const KernelOp& op : samples.ops()) {
      const Copied apart(op, DType::kBF16);
      if (name_of(op) != each.verb || !apart.operand(each.operand)) continue;
      SCOPED_TRACE(key_of(op) + ": " + each.result + " on " + each.operand);
      ++seen;
      Copied shared(op, DType::kBF16);
      shared.put_on(each.result, each.operand);
      WideLab lab;

      lab.run(apart.op());
      lab.run(shared.op());

      EXPECT_EQ(shared.results(), apart.results());
    }
    EXPECT_GT(seen, 0) << each.verb;
  }
}

// Between 1 and its neighbours 1 + 2^-7 and 1 + 2^-6 lie two ties.
TEST(Widening, RoundsToTheNearestAndTiesToEven) {
  constexpr std::uint16_t kHalfStep = 0x3B80;   // 2^-8
  constexpr std::uint16_t kAboveHalf = 0x3B81;  // a little more
  constexpr std::uint16_t kLargest = 0x7F7F;
  Halves x{kHalfStep, kHalfStep, kAboveHalf, kLargest, kPoison, 0x8000};
  Halves y{kOne, kOne + 1, kOne, kLargest, kOne, 0x8000};
  WideLab lab;

  lab.run(Add{view_of(x), view_of(y)});

  constexpr std::uint16_t kInfinity = 0x7F80;
  EXPECT_EQ(y, (Halves{kOne, kOne + 2, kOne + 1, kInfinity, kPoison, 0x8000}));
}

TEST(Widening, RefusesOperandsOfTwoTypes) {
  Halves x(4 * 12, kOne);
  Halves y(4 * 20);
  Singles w({20, 12});
  LinearForward op;
  op.x = {view_of(x).data, DType::kBF16, {4, 12}};
  op.y = {view_of(y).data, DType::kBF16, {4, 20}};
  op.w = w;
  WideLab lab;

  const Error error = thrown([&] { lab.run(op); });

  EXPECT_EQ(error.code(), Code::kBadArgument);
  EXPECT_EQ(error.message(),
            "linear_forward takes w [20, 12] of bf16 on the CPU, not [20, 12] "
            "of f32");
}

// More and more scratch is asked for while the stream has not begun.
TEST(Widening, KeepsScratchUntilTheStreamHasPassedIt) {
  std::deque<Halves> sums;
  WideLab lab;
  std::promise<void> go;
  lab.stream().enqueue_host([&go] { go.get_future().wait(); });
  for (std::size_t n = 1; n < 40000; n *= 2) {
    sums.emplace_back(n, kOne);
    lab.kernels().add(lab.stream(), view_of(sums.back()), view_of(sums.back()));
  }
  go.set_value();

  lab.stream().synchronize();

  for (const Halves& sum : sums) {
    EXPECT_EQ(sum, Halves(sum.size(), 0x4000)) << sum.size();  // 2
  }
}

TEST(Widening, FindsValuesThatAreNotFinite) {
  Halves x(7, kOne);
  Singles finite({1});
  WideLab lab;

  lab.run(AllFinite{view_of(x), finite});
  EXPECT_EQ(finite.data[0], 1.0F);

  x[5] = kPoison;
  lab.run(AllFinite{view_of(x), finite});
  EXPECT_EQ(finite.data[0], 0.0F);
}

}  // namespace
}  // namespace cairn
