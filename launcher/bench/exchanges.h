// How long ranks of this machine take to exchange tensors.

#pragma once

#include <vector>

#include "launcher/bench.h"

namespace cairn {

// By so many ranks, each a thread with a backend of its own; none for one rank.
std::vector<ExchangeRate> measure_exchanges(const BenchRequest& request,
                                            int ranks);

// The link that a cost model needs to give such times, or `otherwise` without
// any.
Link link_of(const std::vector<ExchangeRate>& rates, int ranks,
             const Link& otherwise);

}  // namespace cairn
