#include "parallel/action.h"

namespace cairn {

namespace {

constexpr const char* kLetters[] = {"F",  "B", "I", "W", "so", "ri", "sg",
                                    "rg", "G", "D", "R", "ss", "rs"};

bool has_microbatch(Verb verb) {
  return verb != Verb::kGather && verb != Verb::kDrop &&
         verb != Verb::kSendShared && verb != Verb::kReceiveShared;
}

}  // namespace

std::string to_text(const Action& action) {
  std::string text = kLetters[static_cast<int>(action.verb)];
  text += std::to_string(action.stage);
  if (has_microbatch(action.verb)) {
    text += "." + std::to_string(action.microbatch);
  }
  if (action.block != kWholeStage) text += "/" + std::to_string(action.block);
  return text;
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
