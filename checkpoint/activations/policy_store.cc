#include "checkpoint/activations/policy_store.h"

#include <string>
#include <utility>

#include "runtime/error.h"

namespace cairn {

PolicyStore::PolicyStore(Policy policy, Timeline& timeline)
    : policy_(std::move(policy)), timeline_(timeline) {}

void PolicyStore::put(const SlotKey& key, const Block& block, const Call& call,
                      Saved saved) {
  const std::vector<GroupSpec> groups = block.groups(call.batch, call.dtype);
  for (std::size_t g = 1; g < groups.size(); ++g) {
    if (policy_(key, groups[g]) == Keeping::kRecompute) {
      saved.drop(static_cast<int>(g));
    }
  }
  slots_[key] = std::move(saved);
}

Saved PolicyStore::take(const SlotKey& key, const Block& block,
                        const Call& call) {
  auto node = slots_.extract(key);
  if (node.empty()) {
    throw Error(Code::kBadArgument,
                "nothing is stored for block " + std::to_string(key.block) +
                    " of stage " + std::to_string(key.stage) +
                    ", micro-batch " + std::to_string(key.microbatch));
  }
  Saved saved = std::move(node.mapped());
  bool whole = true;
  for (const SavedGroup& group : saved.groups) {
    if (!group.tensor) whole = false;
  }
  if (whole) return saved;
  const Timeline::Span span = timeline_.open(
      call.stream, Phase::kRecompute,
      "R" + std::to_string(key.stage) + "." + std::to_string(key.microbatch) +
          "." + std::to_string(key.block));
  block.rebuild(call, saved);
  return saved;
}

}  // namespace cairn
