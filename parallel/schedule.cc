#include "parallel/schedule.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "runtime/error.h"

namespace cairn {
namespace {

// Stages and micro-batches are numbered in an Action's 16 bits.
constexpr int kMost = std::numeric_limits<std::int16_t>::max();

std::string counted(int number, const char* one, const char* many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

std::string to_text(const PipelineShape& shape) {
  return counted(shape.ranks, "rank", "ranks") + ", " +
         counted(shape.chunks, "chunk", "chunks") + ", " +
         counted(shape.microbatches, "micro-batch", "micro-batches");
}

void require_shape(const char* schedule, const PipelineShape& shape,
                   int most_chunks = kMost) {
  PipelineShape nearest;
  nearest.ranks = std::clamp(shape.ranks, 1, kMost);
  nearest.chunks =
      std::clamp(shape.chunks, 1, std::min(most_chunks, kMost / nearest.ranks));
  nearest.microbatches = std::clamp(shape.microbatches, 1, kMost);
  if (nearest.ranks == shape.ranks && nearest.chunks == shape.chunks &&
      nearest.microbatches == shape.microbatches) {
    return;
  }
  throw Error(Code::kBadArgument,
              std::string(schedule) + " does not fit " + to_text(shape) +
                  "; the nearest shape that it fits is " + to_text(nearest));
}

Action make(Verb verb, int stage, int microbatch) {
  return {verb, static_cast<std::int16_t>(stage),
          static_cast<std::int16_t>(microbatch)};
}

// Builds every rank's program by the same rule.
template <typename Rule>
Schedule for_each_rank(const PipelineShape& shape, Rule rule) {
  Schedule schedule{shape, {}};
  for (int rank = 0; rank < shape.ranks; ++rank) {
    schedule.programs.push_back(rule(rank));
  }
  return schedule;
}

// `warmup` forwards, then forward and backward in turn, then the rest.
// `forward` and `backward` give the k-th action of their kind.
template <typename Forward, typename Backward>
Program in_turn(int total, int warmup, Forward forward, Backward backward) {
  Program program;
  const int ahead = std::min(total, warmup);
  for (int k = 0; k < ahead; ++k) program.push_back(forward(k));
  for (int k = ahead; k < total; ++k) {
    program.push_back(forward(k));
    program.push_back(backward(k - ahead));
  }
  for (int k = total - ahead; k < total; ++k) program.push_back(backward(k));
  return program;
}

// Interleaved 1F1B where the micro-batches are a multiple of the ranks.
Schedule interleaved_evenly(const PipelineShape& shape) {
  const int ranks = shape.ranks;
  const int chunks = shape.chunks;
  const auto chunk = [=](int k) { return k / ranks % chunks; };
  const auto microbatch = [=](int k) {
    return k / (ranks * chunks) * ranks + k % ranks;
  };
  return for_each_rank(shape, [&](int rank) {
    const int warmup = (ranks - 1 - rank) * 2 + (chunks - 1) * ranks;
    return in_turn(
        shape.microbatches * chunks, warmup,
        [&](int k) {
          return make(Verb::kForward, chunk(k) * ranks + rank, microbatch(k));
        },
        [&](int k) {
          const int stage = (chunks - 1 - chunk(k)) * ranks + rank;
          return make(Verb::kBackward, stage, microbatch(k));
        });
  });
}

using Maker = Schedule (*)(const PipelineShape&);

constexpr std::array<std::pair<const char*, Maker>, 4> kNamed = {
    {{"gpipe", gpipe},
     {"1f1b", one_f_one_b},
     {"interleaved", interleaved},
     {"zb-h1", zero_bubble_h1}}};

}  // namespace

Schedule gpipe(const PipelineShape& shape) {
  require_shape("GPipe", shape);
  const int microbatches = shape.microbatches;
  const int total = microbatches * shape.chunks;
  return for_each_rank(shape, [&](int rank) {
    return in_turn(
        total, /*warmup=*/total,
        [&](int k) {
          const int chunk = k / microbatches;
          return make(Verb::kForward, chunk * shape.ranks + rank,
                      k % microbatches);
        },
        [&](int k) {
          const int chunk = shape.chunks - 1 - k / microbatches;
          return make(Verb::kBackward, chunk * shape.ranks + rank,
                      k % microbatches);
        });
  });
}

Schedule one_f_one_b(const PipelineShape& shape) {
  require_shape("1F1B", shape, /*most_chunks=*/1);
  return for_each_rank(shape, [&](int rank) {
    return in_turn(
        shape.microbatches, /*warmup=*/shape.ranks - 1 - rank,
        [&](int k) { return make(Verb::kForward, rank, k); },
        [&](int k) { return make(Verb::kBackward, rank, k); });
  });
}

Schedule interleaved(const PipelineShape& shape) {
  require_shape("interleaved 1F1B", shape);
  if (shape.chunks == 1) return one_f_one_b(shape);
  // A part of an order without circles has none: the smaller last group is a
  // whole one from which the micro-batches that do not exist are left out.
  PipelineShape whole = shape;
  whole.microbatches += shape.ranks - 1;
  whole.microbatches -= whole.microbatches % shape.ranks;
  Schedule schedule = interleaved_evenly(whole);
  schedule.shape = shape;
  for (Program& program : schedule.programs) {
    std::erase_if(program, [&](const Action& action) {
      // Unsigned: up to `ranks` numbers may be past the type's greatest.
      return static_cast<std::uint16_t>(action.microbatch) >=
             shape.microbatches;
    });
  }
  return schedule;
}

Schedule zero_bubble_h1(const PipelineShape& shape) {
  require_shape("zero-bubble H1", shape, /*most_chunks=*/1);
  Schedule schedule = one_f_one_b(shape);
  for (int rank = 0; rank < shape.ranks; ++rank) {
    Program split;
    int due = 0;  // the next micro-batch whose weight half is owed
    for (const Action& action : schedule.programs[rank]) {
      if (action.verb == Verb::kForward) {
        split.push_back(action);
        continue;
      }
      split.push_back(make(Verb::kBackwardInput, rank, action.microbatch));
      if (action.microbatch - due >= rank) {
        split.push_back(make(Verb::kBackwardWeight, rank, due++));
      }
    }
    while (due < shape.microbatches) {
      split.push_back(make(Verb::kBackwardWeight, rank, due++));
    }
    schedule.programs[rank] = std::move(split);
  }
  return schedule;
}

Schedule forward_only(const PipelineShape& shape) {
  require_shape("forward only", shape);
  Schedule schedule = gpipe(shape);
  for (Program& program : schedule.programs) {
    std::erase_if(program, [](const Action& action) {
      return action.verb != Verb::kForward;
    });
  }
  return schedule;
}

Schedule schedule_named(const std::string& name, const PipelineShape& shape) {
  for (const auto& [known, maker] : kNamed) {
    if (name == known) return maker(shape);
  }
  std::string names;
  for (const std::string& known : schedule_names()) {
    names += (names.empty() ? "" : ", ") + known;
  }
  throw Error(Code::kBadArgument,
              "there is no schedule \"" + name + "\"; there are " + names);
}

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  names.reserve(kNamed.size());
  for (const auto& [name, maker] : kNamed) names.emplace_back(name);
  return names;
}

}  // namespace cairn
