// Memory without end that nobody may touch: addresses are aligned, never null,
// and never given out twice. Host memory, of which little is. And memory on top
// of another that records what it gives out and takes back.

#pragma once

#include <cstdint>

#include "runtime/memory.h"
#include "runtime/sim/sim_state.h"

namespace cairn {

class SimMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* /*address*/, std::size_t /*bytes*/, Owner /*owner*/,
                  Stream& /*stream*/) noexcept override {}

 private:
  std::uintptr_t next_ = kMemoryAlignment;
};

// The host side of copies that are not made: reads as zeros, and takes room
// only where it is written, so that a plan can have more than the machine.
class SimHostMemory final : public MemoryResource {
 public:
  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;
};

class RecordingMemory final : public MemoryResource {
 public:
  RecordingMemory(SimState& state, int rank, MemoryResource& upstream)
      : state_(state), rank_(rank), upstream_(upstream) {}

  void* allocate(std::size_t bytes, Owner owner, Stream& stream) override;
  void* allocate_at(void* address, std::size_t bytes, Owner owner,
                    Stream& stream) override;
  void deallocate(void* address, std::size_t bytes, Owner owner,
                  Stream& stream) noexcept override;

 private:
  void record(const void* address, std::size_t bytes, Owner owner,
              Stream& stream);
  static SimTouch touch_of(const void* address, std::size_t bytes, Touch touch,
                           Owner owner);

  SimState& state_;
  int rank_;
  MemoryResource& upstream_;
};

}  // namespace cairn
