// The arrows of a trace: which send a receive belongs to.

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "launcher/trace.h"
#include "runtime/error.h"

namespace cairn {
namespace {

// One end of a transfer. `transfer` is the same at both: what goes to which
// stage, and the micro-batch.
struct End {
  std::string transfer;
  bool is_send = false;
};

// Reads a verb of two letters and a stage; `rest` is ".3", "/5" or nothing.
std::optional<End> transfer_end(std::string_view name) {
  const std::string_view verb = name.substr(0, 2);
  const char* const last = name.data() + name.size();
  int stage = 0;
  const auto number = std::from_chars(name.data() + verb.size(), last, stage);
  if (number.ec != std::errc()) return std::nullopt;
  const std::string rest(number.ptr, last);
  const auto end = [&](const char* what, int receiver, bool is_send) {
    return End{what + std::to_string(receiver) + rest, is_send};
  };
  if (verb == "so") return end("output", stage + 1, true);
  if (verb == "ri") return end("output", stage, false);
  if (verb == "sg") return end("gradient", stage - 1, true);
  if (verb == "rg") return end("gradient", stage, false);
  // There is one pair of these; each end names its own stage.
  if (verb == "ss") return end("shared", 0, true);
  if (verb == "rs") return end("shared", 0, false);
  return std::nullopt;
}

}  // namespace

std::vector<TraceArrow> transfer_arrows(std::span<const TraceSpan> spans,
                                        int data_ranks) {
  require(data_ranks > 0, "a run has at least one data rank");
  struct Ends {
    std::vector<std::size_t> sends;
    std::vector<std::size_t> receives;
  };
  std::map<std::pair<int, std::string>, Ends> transfers;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const auto end = transfer_end(spans[i].name);
    if (!end) continue;
    Ends& ends = transfers[{spans[i].rank % data_ranks, end->transfer}];
    (end->is_send ? ends.sends : ends.receives).push_back(i);
  }
  std::vector<TraceArrow> arrows;
  for (const auto& [key, ends] : transfers) {
    const std::size_t count = std::min(ends.sends.size(), ends.receives.size());
    for (std::size_t i = 0; i < count; ++i) {
      arrows.push_back({ends.sends[i], ends.receives[i]});
    }
  }
  return arrows;
}

}  // namespace cairn
