#include "parallel/action.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/support/test_seed.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;

bool has_microbatch(Verb verb) {
  return verb != Verb::kGather && verb != Verb::kDrop &&
         verb != Verb::kSendShared && verb != Verb::kReceiveShared;
}

Action any_action(std::mt19937_64& random) {
  const auto up_to = [&](int most) {
    return static_cast<std::int16_t>(random() %
                                     (static_cast<unsigned>(most) + 1));
  };
  Action action;
  action.verb =
      static_cast<Verb>(up_to(static_cast<int>(Verb::kReceiveShared)));
  action.stage = up_to(32767);
  if (has_microbatch(action.verb)) action.microbatch = up_to(32767);
  if (random() % 2 == 0) action.block = up_to(32767);
  return action;
}

TEST(Action, HasAShortName) {
  EXPECT_EQ(to_text(Action{Verb::kForward, 2, 0}), "F2.0");
  EXPECT_EQ(to_text(Action{Verb::kBackwardInput, 2, 11, 3}), "I2.11/3");
  EXPECT_EQ(to_text(Action{Verb::kGather, 2, 0, 3}), "G2/3");
  EXPECT_EQ(to_text(Action{Verb::kSendShared, 7}), "ss7");
}

TEST(Action, IsReadBackFromItsName) {
  std::mt19937_64 random(test_seed());
  for (int n = 0; n < 2000; ++n) {
    const Action action = any_action(random);

    EXPECT_EQ(action_from_text(to_text(action)), action) << to_text(action);
  }
}

TEST(Action, ThatCannotBeReadIsNamed) {
  const auto message_of = [](const char* text) {
    const Error error = thrown([&] { action_from_text(text); });
    EXPECT_EQ(error.code(), Code::kBadArgument);
    EXPECT_THAT(error.message(),
                HasSubstr("\"" + std::string(text) + "\" is no action"));
    return error.message();
  };

  EXPECT_THAT(message_of("X1.2"),
              HasSubstr("\"X\" is no verb; there are F B I W so ri sg rg G D "
                        "R ss rs"));
  EXPECT_THAT(message_of(""), HasSubstr("is no verb"));
  EXPECT_THAT(message_of("-1.2"), HasSubstr("\"-\" is no verb"));
  EXPECT_THAT(message_of("F.2"), HasSubstr("a stage is missing"));
  EXPECT_THAT(message_of("F"), HasSubstr("a stage is missing"));
  EXPECT_THAT(message_of("F1"), HasSubstr("F lacks its micro-batch"));
  EXPECT_THAT(message_of("F1."), HasSubstr("a micro-batch after the dot is"));
  EXPECT_THAT(message_of("F1.-2"), HasSubstr("a micro-batch after the dot is"));
  EXPECT_THAT(message_of("G1.2"), HasSubstr("G has no micro-batch"));
  EXPECT_THAT(message_of("F1.2/"), HasSubstr("a block after the slash is"));
  EXPECT_THAT(message_of("F1.2/3x"),
              HasSubstr("\"x\" is left over after F1.2/3"));
  EXPECT_THAT(message_of("F1.32768"), HasSubstr("is at most 32767"));
  EXPECT_THAT(message_of("F99999999999999999999.0"),
              HasSubstr("a stage is at most 32767"));
}

TEST(Action, IsReadOrRefusedWhateverTheText) {
  std::mt19937_64 random(test_seed());
  constexpr std::string_view kSymbols = "FBIWsorigGDR0129./-: #\n";
  int read = 0;
  for (int n = 0; n < 20000; ++n) {
    std::string text;
    for (unsigned length = random() % 8; length > 0; --length) {
      text += kSymbols[random() % kSymbols.size()];
    }
    try {
      const Action action = action_from_text(text);
      ++read;
      EXPECT_EQ(action_from_text(to_text(action)), action) << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kBadArgument) << text;
    }
  }
  EXPECT_GT(read, 0);
}

TEST(Program, IsReadBackFromItsText) {
  std::mt19937_64 random(test_seed());
  for (int n = 0; n < 200; ++n) {
    Program program;
    for (unsigned length = random() % 20; length > 0; --length) {
      program.push_back(any_action(random));
    }

    EXPECT_EQ(program_from_text(to_text(program)), program);
  }
}

TEST(Program, MayBeSpacedAtWill) {
  EXPECT_EQ(program_from_text("  F0.0\t B0.0 \r\n"),
            program_from_text("F0.0 B0.0"));
  EXPECT_TRUE(program_from_text(" \n ").empty());
}

TEST(Program, NamesThePlaceOfAWordThatIsNoAction) {
  const Error error =
      thrown([] { program_from_text("F0.0 B0.0 G0/1 G0.1/1 D0/1"); });

  EXPECT_EQ(error.code(), Code::kBadArgument);
  EXPECT_EQ(error.message(),
            "word 4, \"G0.1/1\" is no action: G has no micro-batch, as in G0");
}

TEST(ScheduleText, IsReadBack) {
  std::mt19937_64 random(test_seed());
  for (int n = 0; n < 100; ++n) {
    Schedule schedule;
    schedule.shape.ranks = 1 + static_cast<int>(random() % 9);
    schedule.programs.resize(static_cast<std::size_t>(schedule.shape.ranks));
    for (Program& program : schedule.programs) {
      for (unsigned length = random() % 9; length > 0; --length) {
        program.push_back(any_action(random));
      }
    }

    const Schedule back = schedule_from_text(to_text(schedule), schedule.shape);

    EXPECT_EQ(back.programs, schedule.programs);
    EXPECT_EQ(back.shape.ranks, schedule.shape.ranks);
  }
}

TEST(ScheduleText, HasCommentsEmptyLinesAndAnyOrderOfRanks) {
  const Schedule schedule = schedule_from_text(
      "# two stages, one micro-batch\n"
      "\n"
      "rank 1: F1.0 B1.0   # the loss is here: rank 9: F9.9\n"
      "  \t\n"
      " rank 0 : F0.0 B0.0",
      {.ranks = 2});

  EXPECT_EQ(to_text(schedule), "rank 0: F0.0 B0.0\nrank 1: F1.0 B1.0\n");
}

TEST(ScheduleText, NamesTheLineAndTheWordOfAFault) {
  const auto message_of = [](const std::string& text) {
    const Error error = thrown([&] { schedule_from_text(text, {.ranks = 2}); });
    EXPECT_EQ(error.code(), Code::kBadArgument);
    return error.message();
  };

  EXPECT_THAT(message_of("rank 0: F0.0\n# more\nrank 1: F1.0 Q1.0\n"),
              HasSubstr("line 3, word 2, \"Q1.0\" is no action"));
  EXPECT_THAT(message_of("F0.0 B0.0\n"),
              HasSubstr("line 1, \"F0.0 B0.0\" does not begin a program; "
                        "write \"rank R: PROGRAM\""));
  EXPECT_THAT(message_of("rank x: F0.0\n"), HasSubstr("line 1, \"rank x\""));
  EXPECT_THAT(message_of("rank 1 F0.0\n"), HasSubstr("line 1, \"rank 1 F0.0"));
  EXPECT_THAT(message_of("rank 2: F0.0\n"),
              HasSubstr("line 1, there is no rank 2 of 2; they count from 0 "
                        "to 1"));
  EXPECT_THAT(message_of("rank -1: F0.0\n"), HasSubstr("there is no rank -1"));
  EXPECT_THAT(message_of("rank 0: F0.0\nrank 0: B0.0\n"),
              HasSubstr("line 2, rank 0 has its program on a line above"));
  EXPECT_THAT(message_of("rank 0: F0.0\n"),
              HasSubstr("no line for rank 1 of 2"));
}

}  // namespace
}  // namespace cairn
