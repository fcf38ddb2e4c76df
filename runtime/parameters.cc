#include "runtime/parameters.h"

#include "runtime/error.h"

namespace cairn {

int ParameterLayout::add(const ParameterSpec& spec) {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const ParameterSpec& known = entries_[i].spec;
    if (known.name != spec.name) continue;
    if (known.shape == spec.shape) return static_cast<int>(i);
    throw Error(Code::kBadArgument,
                "two blocks share the parameter " + spec.name +
                    " but one declares it " + to_text(known.shape) +
                    " and the other " + to_text(spec.shape));
  }
  entries_.push_back({spec});
  return static_cast<int>(entries_.size()) - 1;
}

int ParameterLayout::index_of(const std::string& name) const {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].spec.name == name) return static_cast<int>(i);
  }
  throw Error(Code::kBadArgument, "the model has no parameter " + name);
}

std::int64_t ParameterLayout::parameters() const {
  std::int64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.spec.shape.elements();
  return sum;
}

}  // namespace cairn
