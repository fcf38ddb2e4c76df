// What a card could compute at most, as its maker states it: the denominator of
// MFU. Dense, without sparsity, at the card's full clock and power.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/dtype.h"

namespace cairn {

// Operations per second of the units that Cairn's matrix products of that type
// run on: bf16 on the tensor cores, summed in fp32; f32 on the ordinary units,
// since TF32 is not used. None for a card or type that is not in the table, nor
// for a slice of a card (MIG). `card` is the driver's name of it.
std::optional<double> peak_flops(const std::string& card, DType dtype);

// The names in the table.
std::vector<std::string> cards_with_peaks();

}  // namespace cairn
