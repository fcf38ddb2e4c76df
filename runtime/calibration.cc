#include "runtime/calibration.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <vector>

#include "runtime/error.h"
#include "runtime/tensor.h"

namespace cairn {
namespace {

// Where the operands of an operation go in one block of memory. Equal
// addresses stay equal.
class Placement {
 public:
  explicit Placement(const KernelOp& op) {
    visit_operands(op, [this](const ConstOperand& operand) {
      std::size_t& bytes = bytes_[operand.view.data];
      bytes = std::max(bytes, padded(operand.view.bytes()));
    });
    for (const auto& [address, bytes] : bytes_) {
      offsets_[address] = total_;
      total_ += std::max(bytes, kMemoryAlignment);
    }
  }

  std::size_t total() const { return total_; }

  void move(KernelOp& op, std::byte* to) const {
    visit_operands(op, [&](const Operand& operand) {
      operand.view.data = to + offsets_.at(operand.view.data);
    });
  }

 private:
  std::map<const std::byte*, std::size_t> bytes_;
  std::map<const std::byte*, std::size_t> offsets_;
  std::size_t total_ = 0;
};

// Rows that the integers of an operation may name.
std::int64_t rows_of(const EmbeddingForward& op) { return op.table.shape[0]; }
std::int64_t rows_of(const EmbeddingBackward& op) { return op.drows.shape[0]; }
std::int64_t rows_of(const ScatterRows& op) { return op.dtable.shape[0]; }
std::int64_t rows_of(const HeadLoss& op) { return op.w.shape[0]; }
template <typename Op>
std::int64_t rows_of(const Op& /*op*/) {
  return 1;
}

class Bench {
 public:
  Bench(Backend& backend, const CalibrationOptions& options)
      : backend_(backend),
        options_(options),
        stream_(backend.make_stream("calibration")) {}

  void reserve(std::size_t bytes) {
    const auto workspace = static_cast<std::int64_t>(
        (backend_.workspace_bytes() + sizeof(float) - 1) / sizeof(float));
    workspace_ = make(workspace);
    block_ = make(static_cast<std::int64_t>(bytes / sizeof(float)));
    kernels_ = backend_.make_kernels(workspace_);
    stream_->synchronize();
  }

  double seconds(const KernelOp& op) {
    const std::vector<KernelOp> ops = placed(op);
    enqueue(*kernels_, *stream_, ops[0]);  // may set things up
    const double once = timing(ops, 1);
    const double wanted = std::ceil(options_.least / std::max(once, 1e-9));
    const int calls = static_cast<int>(
        std::clamp(wanted, 1.0, static_cast<double>(options_.most_calls)));
    std::vector<double> timings;
    timings.reserve(static_cast<std::size_t>(options_.repeats));
    for (int i = 0; i < options_.repeats; ++i) {
      timings.push_back(timing(ops, calls));
    }
    const auto middle = timings.begin() + options_.repeats / 2;
    std::nth_element(timings.begin(), middle, timings.end());
    return *middle;
  }

 private:
  Tensor make(std::int64_t elements) {
    return {backend_.memory(),
            *stream_,
            Owner::kWorkspace,
            DType::kF32,
            {elements}};
  }

  // The operation at one place after the other, as far as the block reaches.
  std::vector<KernelOp> placed(const KernelOp& op) {
    const Placement placement(op);
    const std::size_t places = std::clamp<std::size_t>(
        block_.bytes() / std::max<std::size_t>(placement.total(), 1), 1,
        static_cast<std::size_t>(options_.most_calls));
    kernels_->fill(*stream_, block_, 0.0F);
    std::vector<KernelOp> ops(places, op);
    for (std::size_t i = 0; i < places; ++i) {
      placement.move(ops[i], block_.view().data + i * placement.total());
      fill(ops[i]);
    }
    return ops;
  }

  // What may not be zero: tokens go through the rows, a factor is 1.
  void fill(KernelOp& op) {
    const std::int64_t rows =
        std::visit([](const auto& which) { return rows_of(which); }, op);
    visit_operands(op, [&](const Operand& operand) {
      if (operand.view.dtype == DType::kI32) count_up(operand.view, rows);
    });
    if (const auto* adamw = std::get_if<AdamW>(&op)) {
      kernels_->fill(*stream_, adamw->factor, 1.0F);
    }
  }

  void count_up(const TensorView& view, std::int64_t rows) {
    std::vector<std::int32_t> numbers(
        static_cast<std::size_t>(view.elements()));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = static_cast<std::int32_t>(
          i % static_cast<std::size_t>(std::max<std::int64_t>(rows, 1)));
    }
    backend_.upload(*stream_, view, numbers.data());
    stream_->synchronize();
  }

  // Of one call, among `calls` in a row.
  double timing(const std::vector<KernelOp>& ops, int calls) {
    const auto begin = stream_->record();
    for (int i = 0; i < calls; ++i) {
      enqueue(*kernels_, *stream_, ops[next_++ % ops.size()]);
    }
    const auto end = stream_->record();
    end->synchronize();
    return end->seconds_since(*begin) / calls;
  }

  Backend& backend_;
  const CalibrationOptions& options_;
  std::unique_ptr<Stream> stream_;
  Tensor workspace_;
  Tensor block_;
  std::unique_ptr<Kernels> kernels_;
  std::size_t next_ = 0;  // of the places
};

// The least seconds of some calls of `work`.
template <typename Work>
double least_seconds(int repeats, const Work& work) {
  using Clock = std::chrono::steady_clock;
  double least = 0.0;
  work();  // touches the pages
  for (int i = 0; i < repeats; ++i) {
    const auto begin = Clock::now();
    work();
    const double took =
        std::chrono::duration<double>(Clock::now() - begin).count();
    least = i == 0 ? took : std::min(least, took);
  }
  return std::max(least, 1e-9);
}

}  // namespace

std::map<std::string, double> measure(Backend& backend,
                                      std::span<const KernelOp> ops,
                                      const CalibrationOptions& options) {
  require(options.repeats > 0 && options.most_calls > 0,
          "calibration times every operation at least once");
  std::size_t most = padded(options.spread_bytes);
  for (const KernelOp& op : ops) most = std::max(most, Placement(op).total());
  Bench bench(backend, options);
  bench.reserve(most);
  std::map<std::string, double> seconds;
  for (const KernelOp& op : ops) {
    const auto [it, fresh] = seconds.emplace(key_of(op), 0.0);
    if (fresh) it->second = bench.seconds(op);
  }
  return seconds;
}

HostRates measure_host(std::size_t bytes, int repeats) {
  const std::size_t elements = std::max<std::size_t>(bytes / sizeof(float), 1);
  std::vector<float> from(elements, 1.0F);
  std::vector<float> to(elements);
  float* volatile place = to.data();  // so that no compiler sees it unused
  const double copy = least_seconds(repeats, [&] {
    std::memcpy(place, from.data(), elements * sizeof(float));
  });
  const double sum = least_seconds(repeats, [&] {
    float* const sums = place;
    for (std::size_t i = 0; i < elements; ++i) sums[i] += from[i];
  });
  const auto moved = static_cast<double>(elements * sizeof(float));
  return {moved / copy, moved / sum};
}

}  // namespace cairn
