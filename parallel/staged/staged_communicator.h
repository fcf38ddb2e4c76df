// A communicator of a device's memory on top of one of host memory.

#pragma once

#include <memory>

#include "parallel/operation/checked_communicator.h"
#include "runtime/backend.h"

namespace cairn {

class StagedCommunicator final : public CheckedCommunicator {
 public:
  // Takes its host memory in the order of `owner`. The two outlive it.
  StagedCommunicator(std::unique_ptr<Communicator> inner, Backend& backend,
                     Stream& owner);

 private:
  void enqueue(Stream& stream, const Operation& operation) override;
  // What each takes of host memory is at most stage_'s bytes.
  void gather(Stream& stream, const Operation& whole, std::int64_t first,
              std::int64_t count);
  void scatter(Stream& stream, const Operation& whole, std::int64_t first,
               std::int64_t count);
  void move(Stream& stream, const Operation& whole, std::int64_t first,
            std::int64_t count);

  TensorView staged(DType dtype, std::int64_t count) const {
    return {stage_.data(), dtype, {count}};
  }

  std::unique_ptr<Communicator> inner_;
  Backend& backend_;
  Buffer stage_;
};

}  // namespace cairn
