// A Backend is one device as a rank sees it: its streams, its memory, its
// kernels, and copies between it and the host. `cpu` and `cuda` compute; `sim`
// pretends to, so that a plan can be made on any machine with the very code
// that trains.
//
// Threads: a backend belongs to one rank; ranks may be threads of one process,
// each with a backend of its own. The backend outlives everything it made.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "runtime/kernels.h"
#include "runtime/memory.h"
#include "runtime/stream.h"

namespace cairn {

class Backend {
 public:
  virtual ~Backend() = default;

  virtual Device device() const = 0;

  // `name` appears in traces and errors.
  virtual std::unique_ptr<Stream> make_stream(const std::string& name) = 0;

  // The device's own memory, without limit or accounting.
  virtual MemoryResource& memory() = 0;

  // Host memory that copies go through at the full rate of the link, beside
  // other work and without holding up the host: page-locked where there is a
  // link. It is slow to get: take whole slabs at the start and cut them up.
  virtual MemoryResource& host_memory() = 0;

  // Bytes of scratch that make_kernels wants, fixed for the backend's life.
  virtual std::size_t workspace_bytes() const = 0;

  // `workspace` has workspace_bytes() and outlives the kernels.
  virtual std::unique_ptr<Kernels> make_kernels(
      const TensorView& workspace) = 0;

  // Enqueue a copy of all of `to`'s, or `from`'s, bytes. The host memory must
  // stay as it is until the stream has passed the copy. From or to memory that
  // is not host_memory() a large copy is slow and may keep the host waiting.
  virtual void upload(Stream& stream, const TensorView& to,
                      const void* from) = 0;
  virtual void download(Stream& stream, void* to, const TensorView& from) = 0;
};

// What a rank computes with, lent to whoever enqueues work for it: the memory
// it allocates from, its compute stream, and its kernels.
struct Compute {
  Backend& backend;
  MemoryResource& memory;
  Stream& stream;
  Kernels& kernels;

  Tensor make(Owner owner, DType dtype, const Shape& shape,
              std::byte* at = nullptr) const {
    return {memory, stream, owner, dtype, shape, at};
  }
};

struct BackendOptions {
  int threads = 0;  // cpu: threads a rank computes with; 0 is every core
  // cuda: whether equal operands give equal bits, or sums may be added in
  // whatever order is fastest. Other backends always give equal bits.
  bool deterministic = true;
  // cuda: which device, counted round and round those that there are, so that
  // the ranks of a machine may give their numbers.
  int device = 0;
};

// How many devices make_backend can choose from: of "cuda", those that work.
int devices_of(const std::string& name);

// The names of the backends that were built, the preferred one first.
std::vector<std::string> backend_names();

// What workspace_bytes() of the backend of that name would be, without making
// it.
std::size_t workspace_bytes_of(const std::string& name,
                               const BackendOptions& options);

// Makes "cpu", "cuda", "sim" (which stands in for the cpu's sizes), or "auto"
// (the preferred one). Throws kBadArgument for a name that was not built, with
// the names that were, and for "cuda" where no device is found.
std::unique_ptr<Backend> make_backend(const std::string& name,
                                      const BackendOptions& options);

}  // namespace cairn
