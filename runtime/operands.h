// KernelOp: any one call of Kernels, as a value. Here stands, once, what each
// operation does to its operands and what it costs in products and bytes; the
// simulator's race check, the cost model and calibration all go by it.
//
// Plain functions of plain values; they touch no memory that a view points to.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>

#include "runtime/kernels.h"

namespace cairn {

// The operations that Kernels takes as single arguments.
struct Fill {
  TensorView x;
  float value = 0.0F;
};
struct Cast {
  TensorView x;
  TensorView y;
};
struct Add {
  TensorView x;
  TensorView y;
};
struct DropoutRows {
  TensorView x;
  TensorView y;
  Dropout dropout;
  std::int64_t sequence = 1;
};
struct AllFinite {
  TensorView x;
  TensorView finite;
};

using KernelOp =
    std::variant<LinearForward, LinearBackwardInput, LinearBackwardWeight,
                 NormForward, NormBackward, AttentionForward, AttentionBackward,
                 Rotary, SwigluForward, SwigluBackward, Gelu, EmbeddingForward,
                 EmbeddingBackward, ScatterRows, HeadLoss, SquaredNorm,
                 ClipFactor, AdamW, FillNormal, Fill, Cast, Add, DropoutRows,
                 AllFinite>;

enum class Access : std::uint8_t {
  kRead,
  kWrite,      // every byte is set, or is scratch: what was there is not read
  kReadWrite,  // or only some bytes are set
};

struct Operand {
  const char* name;  // the member's: "dweight"
  TensorView& view;
  Access access;
};
struct ConstOperand {
  const char* name;
  const TensorView& view;
  Access access;
};

// Calls `visit` for every operand that is there, always in the same order.
// Operands may share memory where the operation allows it.
void visit_operands(KernelOp& op,
                    const std::function<void(const Operand&)>& visit);
void visit_operands(const KernelOp& op,
                    const std::function<void(const ConstOperand&)>& visit);

// The verb of Kernels: "linear_forward".
const char* name_of(const KernelOp& op);

// Calls that verb.
void enqueue(Kernels& kernels, Stream& stream, const KernelOp& op);

// Floating-point operations of matrix products and attention, as Block::flops
// counts them; 0 for everything else.
double flops(const KernelOp& op);

// Bytes read and written, each operand once; of tables only the rows that are
// looked up.
double bytes_moved(const KernelOp& op);

// Name, operands' types, shapes and sharing, and the settings that change how
// long it takes. Operations of one key cost the same:
// "gelu x=f32[64, 256] y=f32[64, 256]".
std::string key_of(const KernelOp& op);

}  // namespace cairn
