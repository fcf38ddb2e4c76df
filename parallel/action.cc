#include "parallel/action.h"

namespace cairn {

std::string to_text(const Action& action) {
  const char* verb = action.verb == Verb::kForward ? "F" : "B";
  return verb + std::to_string(action.stage) + "." +
         std::to_string(action.microbatch);
}

std::string to_text(const Program& program) {
  std::string text;
  for (const Action& action : program) {
    if (!text.empty()) text += ' ';
    text += to_text(action);
  }
  return text;
}

}  // namespace cairn
