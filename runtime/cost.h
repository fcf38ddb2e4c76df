// CostModel: how long work on a pretend device takes. Kernels that were
// measured (calibration.h) take what they took; others follow from rates.
//
// A plain struct: fill in what is known. The defaults are those of one core of
// a server CPU and of ranks that are threads of one process. Times are rounded
// to nanoseconds, once, so that they add up the same everywhere.

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/operands.h"

namespace cairn {

// What ranks of a group do together; the verbs of Communicator.
enum class Exchange : std::uint8_t {
  kAllGather,
  kReduceScatter,
  kAllReduce,
  kBroadcast,
  kSend,
  kReceive,
  kBarrier,
};
const char* name_of(Exchange exchange);  // "all_gather"

// What lies between ranks.
struct Link {
  double latency = 10e-6;             // seconds until a peer hears of something
  double bytes_per_second = 5e9;      // into one rank
  double sum_bytes_per_second = 4e9;  // of what arrives, while adding it up
};

struct CostModel {
  double flops_per_second = 50e9;
  double bytes_per_second = 8e9;   // that kernels read and write
  double kernel_overhead = 2e-6;   // of a kernel that was not measured
  double event_overhead = 0.5e-6;  // of marking and of waiting for a mark
  double copy_latency = 2e-6;      // of uploads and downloads
  double copy_bytes_per_second = 8e9;
  Link link;  // between ranks of one node
  Link network{.latency = 30e-6, .bytes_per_second = 1.2e9};  // between nodes
  int ranks_per_node = 0;                    // 0: one node holds all
  std::map<std::string, double> seconds_of;  // by key_of, as measured

  // The longer of what its flops and its bytes take, unless measured.
  std::chrono::nanoseconds kernel(const KernelOp& op,
                                  const std::string& key) const;
  std::chrono::nanoseconds event() const;
  std::chrono::nanoseconds copy(std::size_t bytes) const;

  // From the moment when all of `ranks` have come. `bytes` is the size of the
  // whole tensor: what all_gather makes, what reduce_scatter takes. Every rank
  // gets each byte that it lacks once, and adds up each byte of its part of a
  // sum once for every rank.
  std::chrono::nanoseconds exchange(Exchange kind, std::size_t bytes,
                                    const std::vector<int>& ranks) const;
};

}  // namespace cairn
