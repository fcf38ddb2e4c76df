#include "runtime/cpu/variants/vector.h"

namespace cairn::CAIRN_ISA {

extern const Loops kLoops;
const Loops kLoops = {
    .gelu = gelu,
    .gelu_gradient = gelu_gradient,
    .silu_times = silu_times,
    .silu_gradient = silu_gradient,
    .add = add,
    .sum = sum,
    .multiply = multiply,
    .dropout = dropout,
    .finish_linear = finish_linear,
    .norm = norm,
    .norm_gradient = norm_gradient,
    .turn = turn,
    .softmax_block = softmax_block,
    .probabilities = probabilities,
    .score_gradient = score_gradient,
    .dot = dot,
    .cross_entropy = cross_entropy,
    .squares = squares,
    .adamw = adamw,
    .normal = normal,
    .finite = finite,
};

}  // namespace cairn::CAIRN_ISA
