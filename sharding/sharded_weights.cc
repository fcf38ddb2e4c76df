// What draws, sets and reads weights.

#include "runtime/error.h"
#include "sharding/sharded_parameters.h"

namespace cairn {
namespace {

TensorView flat_part(const TensorView& flat, const Range& range) {
  return flat.part(range.first, {range.size()});
}

// The part of a buffer that holds `held` of a unit.
TensorView part_of(const TensorView& flat, const Range& held,
                   const Range& range) {
  return flat_part(flat, {range.first - held.first, range.end - held.first});
}

}  // namespace

Range ShardedParameters::own(const Unit& unit) const {
  if (!splits_updates()) return {0, unit.layout.padded(1)};
  return unit.layout.shard_range(data_, data_rank_);
}

TensorView ShardedParameters::own_weights(const Unit& unit) const {
  return unit.master ? unit.master.view() : own_computed(unit);
}

TensorView ShardedParameters::own_computed(const Unit& unit) const {
  if (splits_weights()) return unit.weights;
  return flat_part(unit.weights, own(unit));
}

TensorView ShardedParameters::own_gradients(const Unit& unit) const {
  if (splits_gradients() || !unit.gradients) return unit.gradients;
  return flat_part(unit.gradients, own(unit));
}

TensorView ShardedParameters::held_weights(const Unit& unit) const {
  return has_masters() ? unit.master.view() : unit.weights.view();
}

// What `unit.weights` is of the unit.
Range ShardedParameters::held(const Unit& unit) const {
  if (splits_weights()) return own(unit);
  return {0, unit.weights.view().elements()};
}

void ShardedParameters::draw(std::uint64_t seed) {
  await(shared_sent_);
  for (Unit& unit : units_) {
    if (unit.layout.empty()) continue;
    await(unit.ready);
    draw_unit(unit, seed);
    if (has_masters()) round_masters(unit);
  }
}

void ShardedParameters::restore() {
  await(shared_sent_);
  for (Unit& unit : units_) {
    if (unit.layout.empty()) continue;
    unit.gradients = {};
    if (has_masters()) round_masters(unit);
  }
}

// Makes the weights that blocks compute with from their masters.
void ShardedParameters::round_masters(Unit& unit) {
  make_room(unit);
  if (unit.master) {
    compute_.kernels.cast(compute_.stream, unit.master, own_computed(unit));
  }
  publish(unit);
}

// All that is held in f32: weights or their masters.
void ShardedParameters::draw_unit(Unit& unit, std::uint64_t seed) {
  const TensorView flat = held_weights(unit);
  if (!flat) return;
  compute_.kernels.fill(compute_.stream, flat, 0.0F);
  const Range all = has_masters() ? own(unit) : held(unit);
  for (const UnitLayout::Entry& entry : unit.layout.entries()) {
    const ParameterSpec& spec = model_.layout().entries()[entry.parameter].spec;
    const Range range = overlap(entry.range(), all);
    if (range.size() == 0 || spec.init == Init::kZeros) continue;
    const TensorView part = part_of(flat, all, range);
    if (spec.init == Init::kOnes) {
      compute_.kernels.fill(compute_.stream, part, 1.0F);
      continue;
    }
    compute_.kernels.fill_normal(compute_.stream,
                                 {part, spec.deviation, seed,
                                  static_cast<std::uint32_t>(entry.parameter),
                                  range.first - entry.offset});
  }
}

void ShardedParameters::set(int parameter, const TensorView& values) {
  const Place place = place_of(parameter);
  Unit& unit = *place.unit;
  const Range entry = place.entry->range();
  await(shared_sent_);
  await(unit.ready);
  const auto put = [&](const TensorView& flat, const Range& all) {
    const Range range = overlap(entry, all);
    if (range.size() == 0) return;
    compute_.kernels.cast(compute_.stream, part_of(values, entry, range),
                          part_of(flat, all, range));
  };
  put(unit.weights, held(unit));
  if (unit.master) put(unit.master, own(unit));
}

Tensor ShardedParameters::whole_weights(Unit& unit) {
  const bool whole = has_masters() ? !splits_updates() : !splits_weights();
  if (whole) {
    await(unit.ready);
    return has_masters() ? unit.master : unit.weights;
  }
  Tensor all = gathered(unit, has_masters() ? unit.master : unit.weights);
  await(unit.ready);
  return all;
}

}  // namespace cairn
