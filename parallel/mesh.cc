#include "parallel/mesh.h"

#include <cstddef>
#include <utility>

#include "runtime/error.h"

namespace cairn {
namespace {

void check_axes(const std::vector<Axis>& axes) {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (axes[i].size < 1) {
      throw Error(Code::kBadArgument, "axis '" + axes[i].name + "' was given " +
                                          std::to_string(axes[i].size) +
                                          " ranks; an axis has at least 1");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (axes[i].name != axes[j].name) continue;
      throw Error(Code::kBadArgument,
                  "a mesh was given two axes '" + axes[i].name + "'");
    }
  }
}

void check_within(int value, int end, const std::string& what) {
  if (value >= 0 && value < end) return;
  throw Error(Code::kBadArgument, what + " " + std::to_string(value) +
                                      " is not among the " +
                                      std::to_string(end) + " there are");
}

}  // namespace

Mesh::Mesh(std::vector<Axis> axes) : axes_(std::move(axes)) {
  check_axes(axes_);
}

int Mesh::size() const {
  int ranks = 1;
  for (const Axis& axis : axes_) ranks *= axis.size;
  return ranks;
}

int Mesh::size(const std::string& axis) const {
  std::string known;
  for (const Axis& each : axes_) {
    if (each.name == axis) return each.size;
    known += " " + each.name;
  }
  throw Error(Code::kBadArgument,
              "axis '" + axis + "' was asked for; the mesh has:" + known);
}

int Mesh::stride(const std::string& axis) const {
  int ranks = 1;
  for (auto each = axes_.rbegin(); each->name != axis; ++each) {
    ranks *= each->size;
  }
  return ranks;
}

int Mesh::coordinate(int rank, const std::string& axis) const {
  const int places = size(axis);
  check_within(rank, size(), "rank");
  return rank / stride(axis) % places;
}

std::vector<int> Mesh::group(int rank, const std::string& axis) const {
  std::vector<int> ranks;
  const int places = size(axis);
  ranks.reserve(static_cast<std::size_t>(places));
  for (int place = 0; place < places; ++place) {
    ranks.push_back(at(rank, axis, place));
  }
  return ranks;
}

int Mesh::at(int rank, const std::string& axis, int place) const {
  const int own = coordinate(rank, axis);
  check_within(place, size(axis), "place on axis '" + axis + "'");
  return rank + (place - own) * stride(axis);
}

}  // namespace cairn
