// Every wait that gives an order is needed: without it the rehearsal is
// refused.
//
// Not tried are waits that give no order that did not hold already. The arena
// makes none: all that is handed out again here was given back by the same
// stream.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "launcher/rehearsal.h"
#include "layout_cases.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// "compute after a channel": what kind of wait it is.
std::string kind_of(const SimWait& wait) {
  const auto stream = [](const std::string& text) {
    const std::string name = text.substr(text.find("stream ") + 7);
    return name.rfind("stage ", 0) == 0 ? "channel" : name;
  };
  return stream(wait.waiter) + " after " + stream(wait.recorder);
}

struct Tally {
  int ordered = 0;
  int found = 0;
};

// Takes each wait of each rank out in turn.
void try_all(const LayoutCase& layout, std::map<std::string, Tally>& tallies) {
  const Model model = model_of(layout);
  const PlanRequest request{model, options_of(layout), 1, true};
  const Rehearsal whole(request, layout.policy);
  for (int place = 0; place < layout.pipeline; ++place) {
    const int rank = place * layout.data;
    const std::vector<SimWait>& waits = whole.machine().waits(rank);
    for (std::size_t n = 0; n < waits.size(); ++n) {
      if (!waits[n].ordered) continue;
      Tally& tally = tallies[kind_of(waits[n])];
      ++tally.ordered;
      try {
        const Rehearsal lacking(request, layout.policy, [&](SimMachine& m) {
          m.skip_wait(rank, static_cast<int>(n));
        });
        ADD_FAILURE() << to_text(layout) << ": rank " << rank
                      << " runs without wait " << n << " of " << waits.size()
                      << ", " << waits[n].waiter << " after "
                      << waits[n].recorder;
      } catch (const Error& error) {
        ++tally.found;
      }
    }
  }
}

TEST(RehearsalRaces, Explore) {
  std::map<std::string, Tally> tallies;
  for (const LayoutCase& layout :
       std::vector<LayoutCase>{{2, 2, "1f1b", 1, 0, "boundary", true},
                               {2, 2, "1f1b", 1, 1, "keep", true},
                               {2, 2, "1f1b", 1, 2, "cheap", true},
                               {2, 2, "1f1b", 1, 3, "boundary", true},
                               {1, 2, "1f1b", 1, 3, "keep", true},
                               {2, 2, "interleaved", 2, 3, "keep", true},
                               {4, 1, "zb-h1", 1, 0, "boundary", true},
                               {2, 1, "gpipe", 2, 0, "keep", false}}) {
    try_all(layout, tallies);
  }
  for (const auto& [kind, tally] : tallies) {
    printf("%s: %d of %d\n", kind.c_str(), tally.found, tally.ordered);
  }
}

}  // namespace
}  // namespace cairn
