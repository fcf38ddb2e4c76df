#include "checkpoint/activations/policy.h"

#include "runtime/error.h"

namespace cairn {

Policy policy_named(const std::string& name) {
  if (name == "keep") {
    return [](const SlotKey&, const GroupSpec&) { return Keeping::kKeep; };
  }
  if (name == "cheap") {
    return [](const SlotKey&, const GroupSpec& group) {
      return group.remake == Remake::kElementwise ? Keeping::kRecompute
                                                  : Keeping::kKeep;
    };
  }
  if (name == "attention") {
    return [](const SlotKey&, const GroupSpec& group) {
      const bool kept =
          group.remake == Remake::kNever || group.remake == Remake::kAttention;
      return kept ? Keeping::kKeep : Keeping::kRecompute;
    };
  }
  if (name == "boundary") {
    return [](const SlotKey&, const GroupSpec& group) {
      return group.remake == Remake::kNever ? Keeping::kKeep
                                            : Keeping::kRecompute;
    };
  }
  throw Error(Code::kBadArgument, "no activation policy is named \"" + name +
                                      "\"; there are keep, cheap, attention, "
                                      "boundary");
}

std::vector<std::string> policy_names() {
  return {"keep", "cheap", "attention", "boundary"};
}

}  // namespace cairn
