// The trace of one real step: the spans of every rank, on one clock, brought
// together on rank 0.
//
// Clocks are set by a barrier, so ranks of different processes agree to about
// the time that one takes. Threads: fed from the rank's own thread.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launcher/trace.h"
#include "parallel/communicator.h"
#include "runtime/backend.h"

namespace cairn {

class StepTrace {
 public:
  // Collective over the world. Both outlive the trace.
  StepTrace(World& world, Backend& backend);

  // Before the step is enqueued: waits until every rank has come.
  void begin();

  // After the step's outcome: this rank's spans, and on rank 0 everybody's;
  // empty elsewhere. Collective.
  std::vector<TraceSpan> gather(const std::vector<Timeline::Record>& records);

 private:
  std::vector<std::string> gather_texts(const std::string& text);
  std::vector<std::int32_t> all_gather(const std::vector<std::int32_t>& words);

  World& world_;
  Backend& backend_;
  std::unique_ptr<Communicator> ranks_;
  std::unique_ptr<Stream> stream_;
  std::shared_ptr<Event> origin_;
};

}  // namespace cairn
