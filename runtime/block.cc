#include "runtime/block.h"

#include <utility>

namespace cairn {

void WeightWork::add(std::function<void()> work) {
  if (when_ == When::kNow) {
    work();
  } else {
    kept_.push_back(std::move(work));
  }
}

void WeightWork::run() {
  for (const auto& work : kept_) work();
  kept_.clear();
}

Tensor Block::backward(const Call& call, Tensor dy, Saved saved) const {
  WeightWork now(WeightWork::When::kNow);
  return backward_input(call, std::move(dy), std::move(saved), now);
}

}  // namespace cairn
