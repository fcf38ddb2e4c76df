// The activation store that follows a policy: drops what the policy says as it
// is put, and has the block make it again as it is taken.
//
// Threads: used from the rank's own thread.

#pragma once

#include <map>

#include "checkpoint/activations/policy.h"
#include "runtime/timeline.h"

namespace cairn {

class PolicyStore final : public ActivationStore {
 public:
  // Recompute is marked on `timeline`, which must outlive the store.
  PolicyStore(Policy policy, Timeline& timeline);

  void put(const SlotKey& key, const Block& block, const Call& call,
           Saved saved) override;
  // Throws kBadArgument if nothing was put under `key`.
  Saved take(const SlotKey& key, const Block& block, const Call& call) override;

 private:
  Policy policy_;
  Timeline& timeline_;
  std::map<SlotKey, Saved> slots_;
};

}  // namespace cairn
