// A Clock is what one stream knows of all others: of each, how many of its
// operations surely came before (a vector clock: Fidge, 1988; Mattern, 1989).
//
// Copies share what they know until one of them learns more, so that marking an
// event costs nothing.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace cairn {

// A place in a stream: its first `count` operations.
struct Moment {
  int stream = 0;
  std::uint64_t count = 0;
};

class Clock {
 public:
  bool knows(const Moment& moment) const {
    const auto stream = static_cast<std::size_t>(moment.stream);
    return moment.count == 0 || (seen_ != nullptr && stream < seen_->size() &&
                                 (*seen_)[stream] >= moment.count);
  }

  // That `moment` came before, and so all that its stream knew by then.
  void learn(const Moment& moment, const Clock& known_there);

  // All that `other` knows.
  void learn(const Clock& other);

 private:
  using Seen = std::vector<std::uint64_t>;

  // To be changed: not shared, and with room for a stream.
  Seen& own(std::size_t streams);

  std::shared_ptr<Seen> seen_;  // by stream; shared until changed
};

}  // namespace cairn
