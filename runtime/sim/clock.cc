#include "runtime/sim/clock.h"

#include <algorithm>

namespace cairn {

void Clock::learn(const Moment& moment, const Clock& known_there) {
  // Who knows the moment knows what was known there.
  if (knows(moment)) return;
  learn(known_there);
  const auto stream = static_cast<std::size_t>(moment.stream);
  own(stream + 1)[stream] = moment.count;
}

void Clock::learn(const Clock& other) {
  if (other.seen_ == nullptr || other.seen_ == seen_) return;
  if (seen_ == nullptr) {
    seen_ = other.seen_;
    return;
  }
  Seen& mine = own(other.seen_->size());
  for (std::size_t i = 0; i < other.seen_->size(); ++i) {
    mine[i] = std::max(mine[i], (*other.seen_)[i]);
  }
}

Clock::Seen& Clock::own(std::size_t streams) {
  if (seen_ == nullptr) {
    seen_ = std::make_shared<Seen>();
  } else if (seen_.use_count() > 1) {
    seen_ = std::make_shared<Seen>(*seen_);
  }
  if (seen_->size() < streams) seen_->resize(streams);
  return *seen_;
}

}  // namespace cairn
