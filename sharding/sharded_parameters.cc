#include "sharding/sharded_parameters.h"

#include <algorithm>
#include <string>
#include <utility>

#include "runtime/error.h"

namespace cairn {
namespace {

// The first gradient of each parameter sets all of it; what lies between and
// behind parameters is zero.
Tensor make_gradient(const Compute& compute, const UnitLayout& layout,
                     Owner owner, std::int64_t elements) {
  Tensor made = compute.make(owner, DType::kF32, {elements});
  std::int64_t end = 0;
  const auto zero_until = [&](std::int64_t next) {
    if (next == end) return;
    compute.kernels.fill(compute.stream, made.view().part(end, {next - end}),
                         0.0F);
  };
  for (const UnitLayout::Entry& entry : layout.entries()) {
    zero_until(entry.offset);
    end = entry.range().end;
  }
  zero_until(elements);
  return made;
}

}  // namespace

ShardedParameters::ShardedParameters(const Compute& compute, Timeline& timeline,
                                     World& world, const Model& model,
                                     ShardingOptions options)
    : compute_(compute),
      timeline_(timeline),
      model_(model),
      options_(std::move(options)) {
  const std::vector<int>& ranks = options_.data_ranks;
  data_ = static_cast<int>(ranks.size());
  data_rank_ = static_cast<int>(
      std::find(ranks.begin(), ranks.end(), world.rank()) - ranks.begin());
  require(data_rank_ < data_, "a rank is one of its data ranks");
  require(options_.groups == 1 || data_ == 1,
          "groups of micro-batches repeat data ranks on one rank");
  if (data_ > 1) {
    gather_stream_ = compute.backend.make_stream("gather");
    reduce_stream_ = compute.backend.make_stream("reduce");
    gathers_ = world.make("gather", ranks);
    reductions_ = world.make("reduce", ranks);
  }
  if (!options_.shared_ranks.empty()) {
    shared_stream_ = compute.backend.make_stream("shared");
    shared_ = world.make("shared", options_.shared_ranks);
  }
  // Weights that go and come lie together, so that gradients fit where several
  // were.
  for (const int block : options_.blocks) add_unit(block, /*copy=*/false);
  if (shared_ && world.rank() == options_.shared_ranks.back()) {
    add_unit(0, /*copy=*/true);
  }
  for (Unit& unit : units_) {
    if (!has_masters() || unit.copy || unit.layout.empty()) continue;
    unit.master =
        compute_.make(Owner::kOptimizer, DType::kF32, {own(unit).size()});
  }
  note_last_readers();
}

void ShardedParameters::add_unit(int block, bool copy) {
  units_.push_back(
      {.block = block, .layout = UnitLayout(model_, block), .copy = copy});
  Unit& unit = units_.back();
  make_room(unit);
  if (copy) return;
  for (const Model::RowGradient& row : model_.row_gradients()) {
    if (row.block == block) unit.table = row.parameter;
  }
}

// Backward goes down, so that the lowest block that reads a unit's weights is
// the last to. A unit that none reads then goes with its own block.
void ShardedParameters::note_last_readers() {
  for (Unit& unit : units_) {
    unit.last_reader = unit.block;
    for (const int block : options_.blocks) {
      if (!model_.block(block).backward_reads_parameters()) continue;
      const std::vector<Unit*> read = units_used_by(block);
      if (std::find(read.begin(), read.end(), &unit) == read.end()) continue;
      unit.last_reader = block;
      break;
    }
  }
}

ShardedParameters::Unit* ShardedParameters::unit_of(int block) {
  for (Unit& unit : units_) {
    if (unit.block == block) return &unit;
  }
  return nullptr;
}

ShardedParameters::Place ShardedParameters::place_of(int parameter) {
  for (Unit& unit : units_) {
    const UnitLayout::Entry* entry = unit.layout.find(parameter);
    if (entry != nullptr) return {&unit, entry};
  }
  throw Error(Code::kBadArgument,
              "this rank does not hold the parameter " +
                  model_.layout().entries()[parameter].spec.name);
}

std::vector<ShardedParameters::Unit*> ShardedParameters::units_used_by(
    int block) {
  std::vector<Unit*> units;
  for (const int parameter : model_.parameters_of(block)) {
    Unit* const unit = place_of(parameter).unit;
    if (std::find(units.begin(), units.end(), unit) == units.end()) {
      units.push_back(unit);
    }
  }
  return units;
}

// Makes compute wait, once; what it waits is exposed communication.
void ShardedParameters::await(std::shared_ptr<Event>& event) {
  if (!event) return;
  const Timeline::Span span =
      timeline_.open(compute_.stream, Phase::kCommunication, "wait");
  compute_.stream.wait(std::exchange(event, nullptr));
}

Timeline::Span ShardedParameters::mark(Stream& stream,
                                       const std::string& what) {
  return timeline_.open(stream, Phase::kCommunication, what);
}

Timeline::Span ShardedParameters::mark(Stream& stream, const char* what,
                                       const Unit& unit) {
  return mark(stream, what + std::to_string(unit.block));
}

void ShardedParameters::parameters_of(int block,
                                      std::vector<TensorView>& views) {
  views.clear();
  for (const int parameter : model_.parameters_of(block)) {
    const Place place = place_of(parameter);
    await(place.unit->ready);
    const TensorView& flat = splits_weights() ? place.unit->whole.view()
                                              : place.unit->weights.view();
    require(static_cast<bool>(flat), "parameters are used while gathered");
    views.push_back(flat.part(place.entry->offset, place.entry->shape));
  }
}

// The buffer in which a group's gradient is summed, made at its first use.
TensorView ShardedParameters::gradient_of(Unit& unit, int group) {
  const std::int64_t whole =
      unit.layout.padded(splits_updates() && !unit.copy ? data_ : 1);
  const bool stays = !splits_gradients() && group == 0 && !unit.copy;
  Tensor& gradient = stays ? unit.gradients : unit.sum;
  if (!gradient) {
    gradient =
        make_gradient(compute_, unit.layout,
                      stays ? Owner::kGradients : Owner::kTransients, whole);
  }
  return gradient;
}

// The compact gradient of the unit's table.
TensorView ShardedParameters::rows_of(Unit& unit) {
  if (!unit.rows) {
    const Shape& table = unit.layout.find(unit.table)->shape;
    unit.rows = compute_.make(Owner::kGradients, DType::kF32,
                              {options_.most_rows, table[1]});
    compute_.kernels.fill(compute_.stream, unit.rows, 0.0F);
  }
  return unit.rows;
}

void ShardedParameters::gradients_of(int block, int group,
                                     std::vector<TensorView>& views) {
  views.clear();
  for (const int parameter : model_.parameters_of(block)) {
    const Place place = place_of(parameter);
    const bool by_rows =
        place.unit->table == parameter && place.unit->block == block;
    if (by_rows) {
      views.push_back(rows_of(*place.unit));
      continue;
    }
    views.push_back(gradient_of(*place.unit, group)
                        .part(place.entry->offset, place.entry->shape));
  }
}

void ShardedParameters::gather(int block) {
  if (!splits_weights()) return;
  for (Unit* unit : units_used_by(block)) {
    if (unit->users++ == 0) unit->whole = gathered(*unit, unit->weights);
  }
}

// The whole of what each data rank has a shard of, once the unit is ready.
Tensor ShardedParameters::gathered(Unit& unit, const TensorView& shard) {
  Tensor whole = compute_.make(Owner::kTransients, shard.dtype,
                               {unit.layout.padded(data_)});
  gather_stream_->wait(compute_.stream.record());
  if (unit.ready) gather_stream_->wait(std::exchange(unit.ready, nullptr));
  {
    const Timeline::Span span = mark(*gather_stream_, "gather ", unit);
    gathers_->all_gather(*gather_stream_, shard, whole);
  }
  unit.ready = gather_stream_->record();
  return whole;
}

void ShardedParameters::drop(int block) {
  if (!splits_weights()) return;
  for (Unit* unit : units_used_by(block)) {
    if (--unit->users == 0) drop_unit(*unit);
  }
}

void ShardedParameters::drop_unit(Unit& unit) {
  await(unit.ready);  // gathered and never used
  unit.whole = {};
}

void ShardedParameters::add_rows(Unit& unit, int group,
                                 const TensorView& row_tokens) {
  if (unit.table < 0) return;
  const UnitLayout::Entry& entry = *unit.layout.find(unit.table);
  const std::int64_t rows = row_tokens.elements();
  ScatterRows op;
  op.drows = rows_of(unit).part(0, {rows, entry.shape[1]});
  op.tokens = row_tokens;
  op.dtable = gradient_of(unit, group).part(entry.offset, entry.shape);
  for (const Model::RowGradient& row : model_.row_gradients()) {
    if (row.parameter == unit.table) op.accumulate = row.shared;
  }
  compute_.kernels.scatter_rows(compute_.stream, op);
  unit.rows = {};
}

void ShardedParameters::reduce(int block, int group,
                               const TensorView& row_tokens) {
  Unit& unit = *unit_of(block);
  add_rows(unit, group, row_tokens);
  make_shard(unit);
  if (group + 1 == options_.groups) retire_after(block);
  if (unit.layout.empty()) return;
  if (data_ > 1) return reduce_over_ranks(unit);
  if (group == 0) return;
  compute_.kernels.add(compute_.stream, unit.sum, unit.gradients);
  unit.sum = {};
}

// Where this rank's shard of the summed gradient goes.
void ShardedParameters::make_shard(Unit& unit) {
  if (!splits_gradients() || unit.layout.empty() || unit.gradients) return;
  unit.gradients =
      compute_.make(Owner::kGradients, DType::kF32, {unit.layout.shard(data_)});
}

// Lets go of weights that no block reads again before the update.
void ShardedParameters::retire_after(int block) {
  if (splits_weights()) return;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    Unit& unit = units_[u];
    if (unit.last_reader != block || !unit.master) continue;
    if (unit.block == 0) await(shared_sent_);  // may still read them
    await(unit.ready);
    make_shard(unit);
    unit.weights = {};
    retired_.push_back(u);
  }
}

// A unit's gradient is made before its weights go. So what lies where weights
// were that went are gradients of units whose weights went after them; the
// update begins with the last of these and finds each place free when it comes
// to it.
std::vector<std::size_t> ShardedParameters::update_order() const {
  std::vector<std::size_t> order;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const bool went =
        std::find(retired_.begin(), retired_.end(), u) != retired_.end();
    if (!went) order.push_back(u);
  }
  order.insert(order.end(), retired_.rbegin(), retired_.rend());
  return order;
}

void ShardedParameters::reduce_over_ranks(Unit& unit) {
  settle_reduction();
  Stream& stream = *reduce_stream_;
  stream.wait(compute_.stream.record());
  {
    const Timeline::Span span = mark(stream, "reduce ", unit);
    if (options_.stage == 0) {
      reductions_->all_reduce(stream, unit.gradients);
    } else if (options_.stage == 1) {
      reductions_->reduce_scatter(stream, unit.gradients, own_gradients(unit));
    } else {
      reductions_->reduce_scatter(stream, unit.sum, unit.gradients);
      reducing_ = &unit;
    }
  }
  unit.reduced = stream.record();
}

// Lets go of the whole gradient that the last reduction reads.
void ShardedParameters::settle_reduction() {
  if (reducing_ == nullptr) return;
  await(reducing_->reduced);
  reducing_->sum = {};
  reducing_ = nullptr;
}

void ShardedParameters::finish_reductions() {
  settle_reduction();
  for (Unit& unit : units_) await(unit.reduced);
  await(shared_sent_);
  for (Unit& unit : units_) {
    if (unit.copy) unit.sum = {};  // it was sent home
  }
}

// The gradient, at home or in the copy, of the parameter that both ends use.
TensorView ShardedParameters::shared_gradient() {
  for (const int parameter : model_.parameters_of(model_.blocks() - 1)) {
    for (Unit& unit : units_) {
      const UnitLayout::Entry* entry = unit.layout.find(parameter);
      if (unit.block != 0 || entry == nullptr) continue;
      return gradient_of(unit, 0).part(entry->offset, entry->shape);
    }
  }
  throw Error(Code::kBadArgument,
              "the last block uses no parameter of the first");
}

void ShardedParameters::send_shared(const std::string& label) {
  shared_stream_->wait(compute_.stream.record());
  {
    const Timeline::Span span = mark(*shared_stream_, label);
    shared_->send(*shared_stream_, shared_gradient(), 0);
  }
  shared_sent_ = shared_stream_->record();
}

void ShardedParameters::receive_shared(const std::string& label) {
  const TensorView gradient = shared_gradient();
  shared_stream_->wait(compute_.stream.record());
  {
    const Timeline::Span span = mark(*shared_stream_, label);
    shared_->receive(*shared_stream_, gradient, 1);
  }
  std::shared_ptr<Event> received = shared_stream_->record();
  await(received);
}

void ShardedParameters::make_room(Unit& unit) {
  if (unit.layout.empty() || unit.weights) return;
  std::erase(retired_, static_cast<std::size_t>(&unit - units_.data()));
  const std::int64_t held =
      splits_weights() ? unit.layout.shard(data_)
                       : unit.layout.padded(splits_updates() ? data_ : 1);
  unit.weights =
      compute_.make(Owner::kParameters, options_.dtype, {held}, unit.home);
  unit.home = unit.weights.view().data;
}

// Hands the updated range of a unit to whoever keeps the whole of it.
void ShardedParameters::publish(Unit& unit) {
  if (unit.layout.empty()) return;
  if (!options_.keep_gradients) unit.gradients = {};
  if (splits_updates() && !splits_weights() && !unit.copy) {
    gather_stream_->wait(compute_.stream.record());
    {
      const Timeline::Span span = mark(*gather_stream_, "publish ", unit);
      gathers_->all_gather(*gather_stream_, own_computed(unit), unit.weights);
    }
    unit.ready = gather_stream_->record();
  }
  if (!shared_ || unit.block != 0) return;
  shared_stream_->wait(unit.ready ? unit.ready : compute_.stream.record());
  {
    const Timeline::Span span = mark(*shared_stream_, "publish ", unit);
    if (unit.copy) {
      shared_->receive(*shared_stream_, unit.weights, 0);
    } else {
      shared_->send(*shared_stream_, unit.weights, 1);
    }
  }
  std::shared_ptr<Event>& over = unit.copy ? unit.ready : shared_sent_;
  over = shared_stream_->record();
}

}  // namespace cairn
