// A communicator that moves nothing and is recorded.

#pragma once

#include <utility>

#include "parallel/communicator.h"
#include "runtime/sim.h"

namespace cairn {

class SimCommunicator final : public Communicator {
 public:
  // `number` is what the machine's join() gave for the group.
  SimCommunicator(SimMachine& machine, Group group, int number)
      : machine_(machine), group_(std::move(group)), number_(number) {}

  const Group& group() const override { return group_; }
  void all_gather(Stream& stream, const TensorView& from,
                  const TensorView& to) override;
  void reduce_scatter(Stream& stream, const TensorView& from,
                      const TensorView& to) override;
  void all_reduce(Stream& stream, const TensorView& x) override;
  void broadcast(Stream& stream, const TensorView& x, int root) override;
  void send(Stream& stream, const TensorView& x, int to) override;
  void receive(Stream& stream, const TensorView& x, int from) override;
  void barrier(Stream& stream) override;

 private:
  void enqueue(Stream& stream, Exchange kind, const TensorView& from,
               const TensorView& to, int peer = 0);
  void check_parts(Exchange kind, const TensorView& whole,
                   const TensorView& part) const;

  SimMachine& machine_;
  Group group_;
  int number_;
};

}  // namespace cairn
