// A Mesh names the axes along which a run's ranks are laid out: rank numbers
// count along the last axis first. {{"pp", 2}, {"dp", 4}}: ranks 0 to 3 are the
// data-parallel replicas of pipeline stage 0.
//
// A plain value; no ranks need to exist.

#pragma once

#include <string>
#include <vector>

namespace cairn {

struct Axis {
  std::string name;
  int size = 1;
};

class Mesh {
 public:
  // Throws kBadArgument for an axis without ranks or a name given twice.
  explicit Mesh(std::vector<Axis> axes);

  int size() const;  // ranks in all
  // Of the axis of that name; throws kBadArgument, naming it, for another.
  int size(const std::string& axis) const;

  // The place of `rank` on an axis.
  int coordinate(int rank, const std::string& axis) const;

  // The ranks that differ from `rank` in their place on `axis` alone, in order
  // of that place; `rank` is one of them.
  std::vector<int> group(int rank, const std::string& axis) const;

  // The rank at that place on `axis`, elsewhere as `rank` is.
  int at(int rank, const std::string& axis, int place) const;

  const std::vector<Axis>& axes() const { return axes_; }

 private:
  int stride(const std::string& axis) const;

  std::vector<Axis> axes_;
};

}  // namespace cairn
