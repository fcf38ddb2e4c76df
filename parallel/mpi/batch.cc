#include "parallel/mpi/batch.h"

#include <algorithm>

#include "parallel/mpi/session.h"

namespace cairn {
namespace {

// Below 2^31, which is where MPI's counts end.
constexpr std::size_t kPieceBytes = std::size_t{64} << 20;

}  // namespace

Batch::Batch(MPI_Comm comm, const Group& group, int tag)
    : comm_(comm), group_(group), tag_(tag) {}

Batch::~Batch() {
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] == MPI_REQUEST_NULL) continue;
    // A send cannot be called off. Its memory is read only if the receiver
    // comes after all, in a run that has failed.
    if (!messages_[i].is_receive) continue;
    int over = 0;
    MPI_Cancel(&requests_[i]);
    MPI_Test(&requests_[i], &over, MPI_STATUS_IGNORE);
  }
}

int Batch::world_rank(int member) const {
  return group_.ranks[static_cast<std::size_t>(member)];
}

MPI_Request& Batch::add(int member, bool is_receive) {
  messages_.push_back({member, is_receive});
  ++left_;
  return requests_.emplace_back(MPI_REQUEST_NULL);
}

void Batch::send(int member, const void* data, std::size_t bytes) {
  const auto* from = static_cast<const std::byte*>(data);
  for (std::size_t first = 0; first < bytes; first += kPieceBytes) {
    const auto count = static_cast<int>(std::min(kPieceBytes, bytes - first));
    check(MPI_Isend(from + first, count, MPI_BYTE, world_rank(member), tag_,
                    comm_, &add(member, false)),
          "MPI_Isend");
  }
}

void Batch::receive(int member, void* data, std::size_t bytes) {
  auto* to = static_cast<std::byte*>(data);
  for (std::size_t first = 0; first < bytes; first += kPieceBytes) {
    const auto count = static_cast<int>(std::min(kPieceBytes, bytes - first));
    check(MPI_Irecv(to + first, count, MPI_BYTE, world_rank(member), tag_,
                    comm_, &add(member, true)),
          "MPI_Irecv");
  }
}

bool Batch::done() {
  if (left_ == 0) return true;
  arrived_.resize(requests_.size());
  int count = 0;
  check(MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(),
                     &count, arrived_.data(), MPI_STATUSES_IGNORE),
        "MPI_Testsome");
  if (count > 0) left_ -= static_cast<std::size_t>(count);
  return left_ == 0;
}

std::vector<int> Batch::pending() const {
  std::vector<int> members;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] != MPI_REQUEST_NULL)
      members.push_back(messages_[i].member);
  }
  std::sort(members.begin(), members.end());
  members.erase(std::unique(members.begin(), members.end()), members.end());
  return members;
}

}  // namespace cairn
