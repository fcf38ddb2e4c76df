// A Batch is the messages of one step of an operation, under way together.
//
// Messages of 0 bytes are not sent; larger ones than MPI can count are cut. The
// memory must outlive the batch. A batch that ends before its messages calls
// its receives off.

#pragma once

#include <mpi.h>

#include <cstddef>
#include <vector>

#include "parallel/communicator.h"

namespace cairn {

class Batch {
 public:
  // The group's members speak on `tag`, which is theirs alone.
  Batch(MPI_Comm comm, const Group& group, int tag);
  ~Batch();

  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  void send(int member, const void* data, std::size_t bytes);
  void receive(int member, void* data, std::size_t bytes);

  // Moves the messages on; true once all have arrived.
  bool done();

  // The members with which messages are still under way.
  std::vector<int> pending() const;

 private:
  struct Message {
    int member;
    bool is_receive;
  };

  int world_rank(int member) const;
  MPI_Request& add(int member, bool is_receive);

  MPI_Comm comm_;
  const Group& group_;
  int tag_;
  std::vector<MPI_Request> requests_;
  std::vector<Message> messages_;  // one for each request
  std::vector<int> arrived_;       // scratch of done
  std::size_t left_ = 0;
};

}  // namespace cairn
