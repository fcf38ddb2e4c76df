// The search for the place where a run diverged.

#include <algorithm>
#include <limits>

#include "launcher/engine.h"
#include "launcher/engine_slot.h"
#include "runtime/error.h"

namespace cairn {
namespace {

constexpr double kNowhere = std::numeric_limits<double>::max();

enum class Kind { kOutput, kLoss, kGradient, kWeightGradient };
constexpr int kKinds = 4;

// A place in a step, and its number in the order in which one rank would come
// to it: weights first, then forward and backward of each micro-batch.
struct Spot {
  int microbatch = 0;
  int block = 0;
  Kind kind = Kind::kOutput;

  bool forward() const { return kind == Kind::kOutput; }
};

double number_of(const Spot& spot, int parameters, int blocks) {
  const int place = spot.forward() ? spot.block : 2 * blocks - 1 - spot.block;
  const double visit = 2.0 * blocks * spot.microbatch + place;
  return parameters + visit * kKinds + static_cast<int>(spot.kind);
}

Spot spot_of(double number, int parameters, int blocks) {
  const auto code = static_cast<std::int64_t>(number) - parameters;
  const std::int64_t visit = code / kKinds;
  const std::int64_t visits = std::int64_t{2} * blocks;  // of a micro-batch
  const auto place = static_cast<int>(visit % visits);
  return {static_cast<int>(visit / visits),
          place < blocks ? place : 2 * blocks - 1 - place,
          static_cast<Kind>(code % kKinds)};
}

// "block 3 of 8 (block.2)": by the name its parameters share.
std::string name_of_block(const Model& model, int index) {
  std::string name = "no parameters";
  const std::vector<ParameterSpec> specs = model.block(index).parameters();
  if (!specs.empty()) {
    const std::string& first = specs.front().name;
    const bool layer = first.rfind("block.", 0) == 0;
    name = first.substr(0, first.find('.', layer ? 6 : 0));
  }
  return "block " + std::to_string(index + 1) + " of " +
         std::to_string(model.blocks()) + " (" + name + ")";
}

const char* what_of(Kind kind) {
  switch (kind) {
    case Kind::kOutput:
      return "the output of ";
    case Kind::kLoss:
      return "the loss of ";
    case Kind::kGradient:
      return "the gradient that leaves ";
    case Kind::kWeightGradient:
      return "a weight gradient of ";
  }
  return "";
}

}  // namespace

// Notes the first spot of this rank at which a value is not finite.
class Engine::Finder final : public Watch {
 public:
  explicit Finder(Engine& engine) : engine_(engine) {}

  void forward_done(const SlotKey& key, const TensorView& output) override {
    if (output) look({key.microbatch, index(key), Kind::kOutput}, output);
  }

  void backward_done(const SlotKey& key, const Call& call,
                     const TensorView& gradient) override {
    const int block = index(key);
    if (block + 1 == engine_.model_.blocks()) {
      look({key.microbatch, block, Kind::kLoss}, call.loss);
    }
    if (gradient) look({key.microbatch, block, Kind::kGradient}, gradient);
    for (const TensorView& weights : call.gradients) {
      look({key.microbatch, block, Kind::kWeightGradient}, weights);
    }
  }

  double found() const { return found_; }

 private:
  int index(const SlotKey& key) const {
    return static_cast<int>(engine_.stage_plan_.blocks[key.stage].first) +
           key.block;
  }

  void look(const Spot& spot, const TensorView& value) {
    const double number = number_of(
        spot, static_cast<int>(engine_.model_.layout().entries().size()),
        engine_.model_.blocks());
    if (number < found_ && !engine_.finite(value)) found_ = number;
  }

  Engine& engine_;
  double found_ = kNowhere;
};

bool Engine::finite(const TensorView& view) {
  state_.kernels->all_finite(*state_.stream, view, state_.finite);
  return download(state_.finite).front() == 1.0F;
}

// The number of the first parameter whose weights here are not finite.
double Engine::check_weights() {
  double found = kNowhere;
  for (const ShardedParameters::Unit& unit : parameters_.units()) {
    if (unit.layout.empty() || unit.copy) continue;
    const Range own = parameters_.own(unit);
    for (const UnitLayout::Entry& entry : unit.layout.entries()) {
      const Range range = overlap(entry.range(), own);
      if (range.size() == 0 || entry.parameter >= found) continue;
      const TensorView part = parameters_.own_weights(unit).part(
          range.first - own.first, {range.size()});
      if (!finite(part)) found = entry.parameter;
    }
  }
  return found;
}

double Engine::most(double number) { return -least(-number); }

// The least of every rank's number.
double Engine::least(double number) {
  const auto over = [&](Communicator* group, double mine) {
    if (group == nullptr) return mine;
    const TensorView all =
        state_.numbers.view().part(0, {group->group().size()});
    const TensorView own = all.part(group->group().rank, {1});
    state_.backend.upload(*state_.stream, own, &mine);
    group->all_gather(*state_.stream, own, all);
    std::vector<double> numbers(static_cast<std::size_t>(all.elements()));
    state_.backend.download(*state_.stream, numbers.data(), all);
    state_.stream->synchronize();
    return *std::min_element(numbers.begin(), numbers.end());
  };
  return over(report_data_.get(), over(report_pipeline_.get(), number));
}

std::string Engine::describe_divergence(double found) const {
  const auto& entries = model_.layout().entries();
  if (found < static_cast<double>(entries.size())) {
    return "the weights " + entries[static_cast<std::size_t>(found)].spec.name;
  }
  if (found == kNowhere) {
    return "the gradient norm alone: every value is finite, their sum of "
           "squares is not";
  }
  const Spot spot =
      spot_of(found, static_cast<int>(entries.size()), model_.blocks());
  return what_of(spot.kind) + name_of_block(model_, spot.block) +
         ", micro-batch " + std::to_string(spot.microbatch);
}

std::string Engine::find_divergence(std::uint64_t number,
                                    const StepBatch& batch) {
  double found = least(check_weights());
  if (found == kNowhere) {
    Slot& slot = *slots_[number % slots_.size()];
    fill_slot(slot, number, batch);
    upload(slot);
    begin_training(number, slot);
    Finder finder(*this);
    executor_.run(program(), &finder);
    parameters_.finish_reductions();
    parameters_.restore();
    found = least(finder.found());
  }
  timeline_.take();
  return describe_divergence(found);
}

}  // namespace cairn
