// What a trained model writes: tokens drawn one after another from its softmax.

#pragma once

#include <iosfwd>

#include "launcher/engine.h"
#include "launcher/worker.h"

namespace cairn {

// Prints config.sample.tokens tokens after config.sample.prompt, at
// config.sample.temperature, drawn from train.seed; nothing if it asks for
// none. Without a tokenizer the token ids are printed.
void print_sample(const Run& run, Engine& engine, std::ostream& out);

}  // namespace cairn
