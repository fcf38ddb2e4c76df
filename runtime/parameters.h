// Which parameters a model has, in canonical order: that of first declaration
// along the chain of blocks. Where they lie in memory is for whoever holds them
// (sharding/unit_layout.h); there each starts at a multiple of
// kParameterAlignment elements.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/shape.h"
#include "runtime/tensor.h"

namespace cairn {

enum class Init : std::uint8_t { kZeros, kOnes, kNormal };

struct ParameterSpec {
  std::string name;
  Shape shape;
  Init init = Init::kZeros;
  float deviation = 0.0F;  // of kNormal
  // True for an embedding table: its gradient comes in the rows of the tokens
  // that occur, and call.gradients holds those rows (EmbeddingBackward).
  bool by_rows = false;

  // Weight decay is for matrices only.
  bool decays() const { return shape.dims() >= 2; }
};

inline constexpr std::int64_t kParameterAlignment = 64;

class ParameterLayout {
 public:
  struct Entry {
    ParameterSpec spec;
  };

  // The index of the entry with that name, made if there is none. Throws
  // kBadArgument if there is one of another shape.
  int add(const ParameterSpec& spec);

  // The index of `name`; throws kBadArgument, naming it, if there is none.
  int index_of(const std::string& name) const;

  const std::vector<Entry>& entries() const { return entries_; }

  // Elements of all parameters together.
  std::int64_t parameters() const;

 private:
  std::vector<Entry> entries_;
};

}  // namespace cairn
