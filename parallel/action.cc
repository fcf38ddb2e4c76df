#include "parallel/action.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "runtime/error.h"

namespace cairn {

namespace {

constexpr std::array<std::string_view, 13> kLetters = {
    "F", "B", "I", "W", "so", "ri", "sg", "rg", "G", "D", "R", "ss", "rs"};

constexpr std::string_view kSpaces = " \t\r\n\v\f";

bool has_microbatch(Verb verb) {
  return verb != Verb::kGather && verb != Verb::kDrop &&
         verb != Verb::kSendShared && verb != Verb::kReceiveShared;
}

bool is_digit(char symbol) { return symbol >= '0' && symbol <= '9'; }

// `where` leads to the text: "line 3, " or nothing.
[[noreturn]] void refuse(const std::string& where, const std::string& reason) {
  throw Error(Code::kBadArgument, where + reason);
}

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

// Takes its parts from the front of a word.
class WordReader {
 public:
  WordReader(std::string_view word, const std::string& where)
      : word_(word), left_(word), where_(where) {}

  Action read() {
    Action action;
    action.verb = verb();
    action.stage = number("a stage");
    const bool micro = next_is('.');
    if (micro != has_microbatch(action.verb)) {
      refuse_word(std::string(letters(action.verb)) +
                  (micro ? " has no micro-batch, as in "
                         : " lacks its micro-batch, as in ") +
                  to_text(Action{action.verb, action.stage}));
    }
    if (micro) action.microbatch = number("a micro-batch after the dot");
    if (next_is('/')) action.block = number("a block after the slash");
    if (!left_.empty()) {
      refuse_word(quoted(left_) + " is left over after " + to_text(action));
    }
    return action;
  }

 private:
  static std::string_view letters(Verb verb) {
    return kLetters[static_cast<std::size_t>(verb)];
  }

  Verb verb() {
    const std::size_t end = std::min(
        left_.size(),
        static_cast<std::size_t>(
            std::find_if(left_.begin(), left_.end(),
                         [](char s) { return is_digit(s) || s == '.'; }) -
            left_.begin()));
    const std::string_view name = left_.substr(0, end);
    const auto found = std::find(kLetters.begin(), kLetters.end(), name);
    if (found == kLetters.end()) {
      std::string known;
      for (const std::string_view letters : kLetters) {
        known += " " + std::string(letters);
      }
      refuse_word(quoted(name) + " is no verb; there are" + known);
    }
    left_.remove_prefix(end);
    return static_cast<Verb>(found - kLetters.begin());
  }

  std::int16_t number(const char* what) {
    std::int16_t value = 0;
    const bool starts = !left_.empty() && is_digit(left_.front());
    const auto [end, error] =
        std::from_chars(left_.data(), left_.data() + left_.size(), value);
    if (starts && error == std::errc::result_out_of_range) {
      refuse_word(std::string(what) + " is at most " +
                  std::to_string(std::numeric_limits<std::int16_t>::max()));
    }
    if (!starts) {
      refuse_word(std::string(what) + " is missing before " + quoted(left_));
    }
    left_.remove_prefix(static_cast<std::size_t>(end - left_.data()));
    return value;
  }

  bool next_is(char symbol) {
    if (left_.empty() || left_.front() != symbol) return false;
    left_.remove_prefix(1);
    return true;
  }

  [[noreturn]] void refuse_word(const std::string& reason) const {
    refuse(where_, quoted(word_) + " is no action: " + reason);
  }

  std::string_view word_;
  std::string_view left_;
  const std::string& where_;
};

Program read_program(std::string_view text, const std::string& where) {
  Program program;
  std::size_t begin = text.find_first_not_of(kSpaces);
  while (begin != std::string_view::npos) {
    const std::size_t end =
        std::min(text.find_first_of(kSpaces, begin), text.size());
    const std::string place =
        where + "word " + std::to_string(program.size() + 1) + ", ";
    program.push_back(
        WordReader(text.substr(begin, end - begin), place).read());
    begin = text.find_first_not_of(kSpaces, end);
  }
  return program;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

// The R of "rank R"; nothing if the text is not of that form.
std::optional<int> rank_of_head(std::string_view head) {
  head = trimmed(head);
  if (head.substr(0, 4) != "rank") return std::nullopt;
  const std::string_view number = trimmed(head.substr(4));
  int rank = 0;
  const char* const end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, rank);
  if (error != std::errc{} || stop != end || number.empty()) {
    return std::nullopt;
  }
  return rank;
}

// One line without its comment.
void read_line(std::string_view line, const std::string& where,
               std::vector<std::optional<Program>>& programs) {
  if (trimmed(line).empty()) return;
  const std::size_t colon = std::min(line.find(':'), line.size());
  const std::optional<int> rank = rank_of_head(line.substr(0, colon));
  if (!rank || colon == line.size()) {
    refuse(where, quoted(trimmed(line.substr(0, colon))) +
                      " does not begin a program; write \"rank R: PROGRAM\"");
  }
  const int ranks = static_cast<int>(programs.size());
  if (*rank < 0 || *rank >= ranks) {
    refuse(where, "there is no rank " + std::to_string(*rank) + " of " +
                      std::to_string(ranks) + "; they count from 0 to " +
                      std::to_string(ranks - 1));
  }
  std::optional<Program>& program = programs[static_cast<std::size_t>(*rank)];
  if (program) {
    refuse(where, "rank " + std::to_string(*rank) +
                      " has its program on a line above already");
  }
  program = read_program(line.substr(colon + 1), where);
}

}  // namespace

std::string to_text(const Action& action) {
  std::string text(kLetters[static_cast<std::size_t>(action.verb)]);
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

std::string to_text(const Schedule& schedule) {
  std::string text;
  for (std::size_t rank = 0; rank < schedule.programs.size(); ++rank) {
    text += "rank " + std::to_string(rank) + ": " +
            to_text(schedule.programs[rank]) + "\n";
  }
  return text;
}

Action action_from_text(std::string_view text) {
  return WordReader(text, "").read();
}

Program program_from_text(std::string_view text) {
  return read_program(text, "");
}

Schedule schedule_from_text(std::string_view text, const PipelineShape& shape) {
  require(shape.ranks >= 1, "a schedule is for at least one rank");
  std::vector<std::optional<Program>> programs(
      static_cast<std::size_t>(shape.ranks));
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    read_line(line.substr(0, line.find('#')),
              "line " + std::to_string(++number) + ", ", programs);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  Schedule schedule{shape, {}};
  for (std::size_t rank = 0; rank < programs.size(); ++rank) {
    if (!programs[rank]) {
      refuse("", "the text has no line for rank " + std::to_string(rank) +
                     " of " + std::to_string(shape.ranks));
    }
    schedule.programs.push_back(std::move(*programs[rank]));
  }
  return schedule;
}

}  // namespace cairn
