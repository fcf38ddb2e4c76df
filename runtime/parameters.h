// Which parameters a model has, in canonical order, and where each lies in one
// flat buffer. Weights, gradients and both moments share this layout.
//
// The canonical order is that of first declaration along the chain of blocks.
// Each parameter starts at a multiple of kParameterAlignment elements; the gaps
// hold zeros and count for nothing.

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
    std::int64_t offset = 0;  // elements from the start of the flat buffer
  };

  // The index of the entry with that name, made if there is none. Throws
  // kBadArgument if there is one of another shape.
  int add(const ParameterSpec& spec);

  // The index of `name`; throws kBadArgument, naming it, if there is none.
  int index_of(const std::string& name) const;

  const std::vector<Entry>& entries() const { return entries_; }

  // Of the flat buffer, gaps included.
  std::int64_t elements() const { return elements_; }
  // Of the parameters alone.
  std::int64_t parameters() const;

  // Entry `index` within `flat`, a buffer of elements() elements.
  TensorView view(const TensorView& flat, int index) const;

 private:
  std::vector<Entry> entries_;
  std::int64_t elements_ = 0;
};

}  // namespace cairn
