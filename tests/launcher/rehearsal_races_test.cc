// Every wait that gives an order is taken out of the program in turn, and the
// rehearsal must be refused without it.
//
// Not tried are waits that give no order that did not hold already. The arena
// makes none at all: what it hands out again was given back by the same stream.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "launcher/rehearsal.h"
#include "layout_cases.h"
#include "runtime/error.h"

namespace cairn {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr const char* kChannel = "stage ";  // its streams' names begin so

std::string stream_of(const std::string& text) {
  return text.substr(text.find("stream ") + 7);
}

bool is_channel(const std::string& stream) {
  return stream.rfind(kChannel, 0) == 0;
}

// "compute after channel"
std::string kind_of(const SimWait& wait) {
  const auto text = [](const std::string& stream) {
    return is_channel(stream) ? "channel" : stream;
  };
  return text(stream_of(wait.waiter)) + " after " +
         text(stream_of(wait.recorder));
}

// The rehearsals of a layout, whole and without one wait.
class Rehearsals {
 public:
  explicit Rehearsals(const LayoutCase& layout)
      : layout_(layout),
        model_(model_of(layout)),
        request_{model_, options_of(layout), 1, true},
        whole_(request_, layout.policy) {}

  const std::vector<SimWait>& waits(int place) const {
    return whole_.machine().waits(place * layout_.data);
  }

  // Whether the rehearsal is refused without wait `n`.
  bool needs(int place, std::size_t n) const {
    const int rank = place * layout_.data;
    try {
      const Rehearsal lacking(request_, layout_.policy,
                              [&](SimMachine& machine) {
                                machine.skip_wait(rank, static_cast<int>(n));
                              });
      return false;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kBadArgument);
      EXPECT_THAT(error.message(), AnyOf(HasSubstr(", in no order: "),
                                         HasSubstr(" gives back before")));
      return true;
    }
  }

  // Why another order holds in place of what wait `n` gave; "" if none does.
  std::string excuse(int place, std::size_t n) const {
    const std::vector<SimWait>& all = waits(place);
    const std::string kind = kind_of(all[n]);
    if (kind == "compute after gather" && n + 1 < all.size() &&
        kind_of(all[n + 1]) == kind) {
      return "a block of two units: the later gather comes after this one";
    }
    if (kind == "compute after channel" &&
        sends(place, stream_of(all[n].recorder))) {
      return "what the receiver made of it came back before it was let go";
    }
    // For compute, or for what had waited for it.
    const auto has_waited = [](const SimWait& wait) {
      return kind_of(wait).rfind("shared after ", 0) == 0;
    };
    if (kind == "shared after compute" &&
        std::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n),
                    has_waited)) {
      return "the stream has waited since compute last used the memory";
    }
    return "";
  }

 private:
  // Whether the channel of that name leads away from the rank.
  bool sends(int place, const std::string& channel) const {
    const int from = std::stoi(channel.substr(std::string(kChannel).size()));
    return from % layout_.pipeline == place;
  }

  LayoutCase layout_;
  Model model_;
  PlanRequest request_;
  Rehearsal whole_;
};

// How many waits of each kind were found missing. A failure for each that was
// not, without excuse.
void try_all(const LayoutCase& layout, std::map<std::string, int>& found) {
  SCOPED_TRACE(to_text(layout));
  const Rehearsals rehearsals(layout);
  for (int place = 0; place < layout.pipeline; ++place) {
    const std::vector<SimWait>& waits = rehearsals.waits(place);
    for (std::size_t n = 0; n < waits.size(); ++n) {
      if (!waits[n].ordered) continue;
      if (rehearsals.needs(place, n)) {
        ++found[kind_of(waits[n])];
      } else {
        EXPECT_NE(rehearsals.excuse(place, n), "")
            << "nothing is missed without wait " << n << ", " << waits[n].waiter
            << " after " << waits[n].recorder;
      }
    }
  }
}

TEST(RehearsalRaces, AreFoundWhereAnyWaitThatGivesAnOrderIsTakenOut) {
  constexpr DType kBF16 = DType::kBF16;
  std::map<std::string, int> found;

  for (const LayoutCase& layout :
       std::vector<LayoutCase>{{2, 2, "1f1b", 1, 0, "boundary", true},
                               {2, 2, "1f1b", 1, 1, "keep", true},
                               {2, 2, "1f1b", 1, 2, "cheap", true},
                               {2, 2, "1f1b", 1, 3, "boundary", true},
                               {1, 2, "1f1b", 1, 3, "keep", true},
                               {2, 2, "interleaved", 2, 3, "keep", true},
                               {4, 1, "zb-h1", 1, 0, "boundary", true},
                               {2, 1, "gpipe", 2, 0, "keep", false},
                               {2, 2, "1f1b", 1, 1, "keep", true, kBF16},
                               {2, 2, "1f1b", 1, 3, "keep", true, kBF16}}) {
    try_all(layout, found);
  }

  std::set<std::string> kinds;
  for (const auto& [kind, count] : found) kinds.insert(kind);
  EXPECT_EQ(kinds, (std::set<std::string>{
                       "channel after compute", "compute after channel",
                       "gather after compute", "compute after gather",
                       "reduce after compute", "compute after reduce",
                       "shared after compute", "compute after shared",
                       "gather after shared", "shared after gather"}));
}

}  // namespace
}  // namespace cairn
