// An Operation is one use of a Communicator, as data; its Summons is the part
// in which the members must agree. Plain values, with the texts that errors and
// reports share.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parallel/communicator.h"
#include "runtime/tensor.h"

namespace cairn {

enum class Collective : std::uint8_t {
  kNone,
  kMake,  // of the communicator itself
  kAllGather,
  kReduceScatter,
  kAllReduce,
  kBroadcast,
  kSend,
  kReceive,
  kBarrier,
};

const char* name_of(Collective kind);

struct Summons {
  Collective kind = Collective::kNone;
  DType dtype = DType::kF32;
  int root = 0;             // of a broadcast
  std::uint64_t bytes = 0;  // of the operand that is whole on every member
};

// "all_gather of 4096 bytes", "barrier".
std::string to_text(const Summons& call);

struct Operation {
  Collective kind = Collective::kNone;
  TensorView from;
  TensorView to;
  int peer = 0;  // the root, or the other end of a send or receive

  Summons call() const;
};

// Throws kBadArgument for operands that are wrong whatever the others bring.
void check(const Operation& operation, const Group& group);

// A member, by its index in the group, and what it brought.
struct Brought {
  int member = 0;
  Summons call;
};

// What the members disagree about, naming the two whose calls differ; nothing
// when the calls fit.
std::optional<std::string> disagreement(const Group& group,
                                        const std::vector<Brought>& calls);

// The group that `rank` of a world of `size` makes. Throws kBadArgument for
// ranks that do not exist or come twice, and without its own.
Group make_group(int rank, int size, const std::string& name,
                 const std::vector<int>& ranks);

// A call that did not come to its end: who waited how long, and for whom.
struct Unmet {
  const Group& group;
  Summons call;
  std::chrono::milliseconds waited{0};
  std::vector<int> missing;  // indices in the group
  bool begun = false;        // all came, and then those stopped
};

// "rank 1 waited 5000 ms in barrier on group data: rank 3 never came".
std::string to_text(const Unmet& unmet);

// "rank 1 did not begin barrier on group data: CAUSE".
std::string not_begun(const Group& group, const Summons& call,
                      const std::string& cause);

}  // namespace cairn
