// The cards that a run's ranks compute with, as all ranks together know them:
// ranks may share a card, and see others under the same number.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "parallel/communicator.h"
#include "runtime/device_report.h"
#include "runtime/dtype.h"

namespace cairn {

struct RunDevices {
  std::vector<Card> cards;        // each once, in order of the ranks
  std::vector<std::string> here;  // UUIDs of those on this rank's host
  // What all could compute; none if that of one is not known.
  std::optional<double> peak_flops;
  std::string unknown;  // a card's name whose peak is not known

  // The part of the run's work that is done on this host, if ranks and cards
  // are spread evenly.
  double share_here() const {
    return static_cast<double>(here.size()) / static_cast<double>(cards.size());
  }
};

// What one rank tells the others.
struct RankCard {
  Card card;
  std::string host;
};

RunDevices run_devices(const std::vector<RankCard>& ranks, int rank,
                       DType dtype);

// The same of a world; every rank calls it, and waits for the others.
RunDevices find_run_devices(World& world, const Device& device, DType dtype);

}  // namespace cairn
