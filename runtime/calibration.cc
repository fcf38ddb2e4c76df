#include "runtime/calibration.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>

#include "runtime/error.h"
#include "runtime/tensor.h"

namespace cairn {
namespace {

// Rows that the integers of an operation may name.
std::int64_t rows_of(const EmbeddingForward& op) { return op.table.shape[0]; }
std::int64_t rows_of(const EmbeddingBackward& op) { return op.drows.shape[0]; }
std::int64_t rows_of(const ScatterRows& op) { return op.dtable.shape[0]; }
std::int64_t rows_of(const HeadLoss& op) { return op.w.shape[0]; }
template <typename Op>
std::int64_t rows_of(const Op& /*op*/) {
  return 1;
}

// What an operation is told by: indices, and the factor of an update. Each has
// memory of its own, since nothing else may change it.
bool is_told(const KernelOp& op, const TensorView& view) {
  const auto* adamw = std::get_if<AdamW>(&op);
  return view.dtype == DType::kI32 ||
         (adamw != nullptr && view.data == adamw->factor.data);
}

// Where the other operands of an operation go in two blocks of memory, one that
// is only read and one that is written. Equal addresses stay equal.
class Placement {
 public:
  explicit Placement(const KernelOp& op) {
    visit_operands(op, [&](const ConstOperand& operand) {
      if (is_told(op, operand.view)) return;
      Place& place = places_[operand.view.data];
      place.bytes = std::max(place.bytes, padded(operand.view.bytes()));
      place.written = place.written || operand.access != Access::kRead;
    });
    for (auto& [address, place] : places_) {
      std::size_t& total = place.written ? written_ : read_;
      place.offset = total;
      total += std::max(place.bytes, kMemoryAlignment);
    }
  }

  std::size_t read() const { return read_; }
  std::size_t written() const { return written_; }

  void move(KernelOp& op, std::byte* read, std::byte* written) const {
    visit_operands(op, [&](const Operand& operand) {
      const auto found = places_.find(operand.view.data);
      if (found == places_.end()) return;
      const Place& place = found->second;
      operand.view.data = (place.written ? written : read) + place.offset;
    });
  }

 private:
  struct Place {
    std::size_t bytes = 0;
    std::size_t offset = 0;
    bool written = false;
  };

  std::map<const std::byte*, Place> places_;
  std::size_t read_ = 0;
  std::size_t written_ = 0;
};

// An operation at some places, and what its timings were.
struct Timed {
  std::string key;
  double times = 1;  // in a step
  std::vector<KernelOp> ops;
  std::vector<Tensor> told;
  std::size_t next = 0;
  int calls = 1;    // in a timing
  double once = 0;  // seconds, roughly
  std::vector<double> seconds;
};

struct Marks {
  std::shared_ptr<Event> begin;
  std::shared_ptr<Event> end;
};

class Bench {
 public:
  Bench(Backend& backend, const CalibrationOptions& options)
      : backend_(backend),
        options_(options),
        stream_(backend.make_stream("calibration")) {}

  void reserve(std::size_t read, std::size_t written) {
    workspace_ = make(DType::kF32, backend_.workspace_bytes());
    kernels_ = backend_.make_kernels(workspace_);
    read_ = make(DType::kF32, read);
    written_ = make(DType::kF32, written);
    fill_random(read_);
    fill_random(written_);
  }

  Timed placed(const KernelOp& op, double times) {
    const Placement placement(op);
    const auto fit = [](const Tensor& block, std::size_t bytes) {
      return block.bytes() / std::max<std::size_t>(bytes, 1);
    };
    const std::size_t places = std::clamp<std::size_t>(
        std::min(fit(read_, placement.read()),
                 fit(written_, placement.written())),
        1, static_cast<std::size_t>(options_.most_calls));
    Timed timed;
    timed.key = key_of(op);
    timed.times = times;
    KernelOp told = op;
    tell(told, timed.told);
    timed.ops.assign(places, told);
    for (std::size_t i = 0; i < places; ++i) {
      placement.move(timed.ops[i], read_.view().data + i * placement.read(),
                     written_.view().data + i * placement.written());
    }
    return timed;
  }

  // A first call, which may set things up, and one that tells how long it is.
  void prepare(Timed& timed) {
    round({&timed});
    round({&timed});
    timed.once = std::max(timed.seconds.back(), 1e-9);
  }

  // Adds a timing of each, of one call among `calls` in a row. The host runs
  // ahead, so that how fast it enqueues does not count where there are long
  // operations among the short ones. Returns the seconds of all.
  double round(const std::vector<Timed*>& all) {
    std::vector<Marks> marks;
    marks.reserve(all.size());
    for (Timed* timed : all) {
      Marks mark;
      mark.begin = stream_->record();
      for (int i = 0; i < timed->calls; ++i) {
        enqueue(*kernels_, *stream_,
                timed->ops[timed->next++ % timed->ops.size()]);
      }
      mark.end = stream_->record();
      marks.push_back(std::move(mark));
    }
    stream_->synchronize();
    auto mark = marks.begin();
    for (Timed* timed : all) {
      const double seconds = mark->end->seconds_since(*mark->begin);
      timed->seconds.push_back(seconds / timed->calls);
      ++mark;
    }
    return marks.back().end->seconds_since(*marks.front().begin);
  }

 private:
  Tensor make(DType dtype, std::size_t bytes) {
    const std::size_t each = size_of(dtype);
    return {backend_.memory(),
            *stream_,
            Owner::kWorkspace,
            dtype,
            {static_cast<std::int64_t>((bytes + each - 1) / each)}};
  }

  // Random numbers that are sound whether they are read as bf16, f32 or f64:
  // the upper half of an f32 is a bf16 of nearly its value.
  void fill_random(const Tensor& block) {
    constexpr std::size_t kPiece = std::size_t{1} << 20;
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0.0F, 0.5F);
    std::vector<std::uint16_t> piece(
        std::min(kPiece, block.bytes() / sizeof(std::uint16_t)));
    for (std::uint16_t& number : piece) {
      number = static_cast<std::uint16_t>(
          std::bit_cast<std::uint32_t>(normal(random)) >> 16U);
    }
    const auto step = static_cast<std::int64_t>(piece.size() / 2);
    for (std::int64_t at = 0; at < block.view().elements(); at += step) {
      const std::int64_t left = block.view().elements() - at;
      backend_.upload(*stream_, block.view().part(at, {std::min(step, left)}),
                      piece.data());
    }
    stream_->synchronize();
  }

  void tell(KernelOp& op, std::vector<Tensor>& told) {
    const std::int64_t rows =
        std::visit([](const auto& which) { return rows_of(which); }, op);
    const KernelOp asked = op;
    visit_operands(op, [&](const Operand& operand) {
      if (!is_told(asked, operand.view)) return;
      told.push_back(make(operand.view.dtype, operand.view.bytes()));
      operand.view.data = told.back().view().data;
      if (operand.view.dtype == DType::kI32) {
        count_up(operand.view, rows);
      } else {
        kernels_->fill(*stream_, operand.view, 1.0F);
      }
    });
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

  Backend& backend_;
  const CalibrationOptions& options_;
  std::unique_ptr<Stream> stream_;
  Tensor workspace_;
  Tensor read_;
  Tensor written_;
  std::unique_ptr<Kernels> kernels_;
};

double median(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// How often each is called in a timing.
void share_round(std::vector<Timed>& all, const CalibrationOptions& options) {
  double step = 0;
  for (const Timed& timed : all) step += timed.times * timed.once;
  const double steps =
      options.round > 0 ? std::max(1.0, std::ceil(options.round / step)) : 0;
  for (Timed& timed : all) {
    const double least = std::clamp(std::ceil(options.least / timed.once), 1.0,
                                    static_cast<double>(options.most_calls));
    timed.calls =
        static_cast<int>(std::max(least, std::round(steps * timed.times)));
  }
}

// The longest first, then the shortest, and so on inwards: while a long one
// runs, the host enqueues the short one behind it.
std::vector<Timed*> in_turn(std::vector<Timed>& all) {
  std::vector<Timed*> sorted;
  sorted.reserve(all.size());
  for (Timed& timed : all) sorted.push_back(&timed);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Timed* a, const Timed* b) {
                     return a->calls * a->once > b->calls * b->once;
                   });
  std::vector<Timed*> turns;
  turns.reserve(all.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    turns.push_back(i % 2 == 0 ? sorted[i / 2]
                               : sorted[sorted.size() - 1 - i / 2]);
  }
  return turns;
}

// Rounds over all operations: first those that warm up, then those that count.
void run_rounds(Bench& bench, std::vector<Timed>& all, double warm_up,
                const CalibrationOptions& options) {
  const std::vector<Timed*> turns = in_turn(all);
  double warm = 0;
  while (warm < warm_up) {
    const double took = bench.round(turns);
    if (took <= 0) break;  // a device that only pretends
    warm += took;
  }
  for (Timed& timed : all) timed.seconds.clear();
  for (int round = 0; round < options.repeats; ++round) bench.round(turns);
}

// Of one load; `known` is what operations took in loads before it.
std::vector<Timed> time_load(Bench& bench, const Load& load,
                             const std::map<std::string, MeasuredOp>& known,
                             const CalibrationOptions& options) {
  std::map<std::string, const LoadOp*> by_key;
  for (const LoadOp& call : load) by_key.emplace(key_of(call.op), &call);
  std::vector<Timed> all;
  all.reserve(by_key.size());
  for (const auto& [key, call] : by_key) {
    all.push_back(bench.placed(call->op, call->times));
    const auto found = known.find(key);
    if (found != known.end()) {
      all.back().once = found->second.seconds;
    } else {
      bench.prepare(all.back());
    }
  }
  share_round(all, options);
  const double warm_up = known.empty() ? options.warm_up : options.warm_up / 2;
  run_rounds(bench, all, warm_up, options);
  return all;
}

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

std::map<std::string, MeasuredOp> measure(Backend& backend,
                                          const std::vector<Load>& loads,
                                          const CalibrationOptions& options) {
  require(options.repeats > 0 && options.most_calls > 0,
          "calibration times every operation at least once");
  std::size_t read = padded(options.spread_bytes);
  std::size_t written = read;
  for (const Load& load : loads) {
    for (const LoadOp& call : load) {
      const Placement placement(call.op);
      read = std::max(read, placement.read());
      written = std::max(written, placement.written());
    }
  }
  Bench bench(backend, options);
  bench.reserve(read, written);
  std::map<std::string, MeasuredOp> measured;
  for (std::size_t l = 0; l < loads.size(); ++l) {
    if (options.progress) {
      options.progress("load " + std::to_string(l + 1) + " of " +
                       std::to_string(loads.size()));
    }
    for (Timed& timed : time_load(bench, loads[l], measured, options)) {
      const OpProfile profile = profile_of(timed.ops.front());
      measured.emplace(timed.key,
                       MeasuredOp{median(std::move(timed.seconds)), profile});
    }
  }
  return measured;
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
