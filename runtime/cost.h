// CostModel: how long work on a pretend device takes. Kernels that were
// measured (calibration.h) take what they took. Others follow from rates, and
// from how far rates were off for measured ones of the same family.
//
// A plain struct: fill in what is known. The defaults are those of one core of
// a server CPU and of ranks that are threads of one process. Times are rounded
// to nanoseconds, once, so that they add up the same everywhere.

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/op_profile.h"

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

// Attention on heads of size d over s tokens runs at
// flops_per_second x s / (s + half_sequence) x d / (d + half_head).
struct AttentionRate {
  double flops_per_second = 50e9;
  double half_sequence = 0;
  double half_head = 0;
};

// What is computed in one element type.
struct TypeRates {
  double flops_per_second = 50e9;  // of large products
  double half_depth = 0;  // the sum's length at which half of that is reached
  AttentionRate forward;
  AttentionRate backward;
  AttentionRate backward_fast;  // where equal operands may give other bits
};

struct MeasuredOp {
  double seconds = 0;
  OpProfile profile;
};

struct CostModel {
  std::string source = "rates of one core of a server CPU, as shipped";
  TypeRates f32;
  TypeRates bf16;
  int processors = 0;  // that share the tiles of a product; 0: it matters not
  double bytes_per_second = 8e9;   // that kernels read and write
  double kernel_overhead = 2e-6;   // of a kernel that was not measured
  double event_overhead = 0.5e-6;  // of marking and of waiting for a mark
  double kernel_issue = 0;         // of the host, until a kernel is enqueued
  double event_issue = 0;          // and a mark, or a wait
  double copy_latency = 2e-6;      // of uploads and downloads
  double upload_bytes_per_second = 8e9;
  double download_bytes_per_second = 8e9;
  Link link;  // between ranks of one node
  Link network{.latency = 30e-6, .bytes_per_second = 1.2e9};  // between nodes
  int ranks_per_node = 0;                      // 0: one node holds all
  std::map<std::string, MeasuredOp> measured;  // by key_of
  // As measured where equal operands need not give equal bits; empty where that
  // makes no difference.
  std::map<std::string, MeasuredOp> measured_fast;

  // What a run takes, by whether equal operands give equal bits in it: as
  // `measured` says from here on.
  CostModel in_mode(bool deterministic) const;

  // As measured for the key, or as estimated.
  std::chrono::nanoseconds kernel(const KernelOp& op,
                                  const std::string& key) const;
  std::chrono::nanoseconds event() const;
  std::chrono::nanoseconds issue_of_kernel() const;
  std::chrono::nanoseconds issue_of_event() const;
  std::chrono::nanoseconds upload(std::size_t bytes) const;
  std::chrono::nanoseconds download(std::size_t bytes) const;

  // Seconds by rates alone: the longer of what its flops and its bytes take.
  double by_rates(const OpProfile& profile) const;
  // By rates, times what measured operations near it took more than by theirs.
  // Of the same family if any of it was measured, or else the same verb.
  double estimate(const OpProfile& profile, const std::string& key) const;

  // From the moment when all of `ranks` have come. `bytes` is the size of the
  // whole tensor: what all_gather makes, what reduce_scatter takes. Every rank
  // gets each byte that it lacks once, and adds up each byte of its part of a
  // sum once for every rank.
  std::chrono::nanoseconds exchange(Exchange kind, std::size_t bytes,
                                    const std::vector<int>& ranks) const;
};

// What is known of a machine without measuring it: "cpu" (the defaults),
// "h100" or "h200" (NVIDIA's SXM cards). Nothing for another name.
std::optional<CostModel> shipped_costs(const std::string& machine);

}  // namespace cairn
