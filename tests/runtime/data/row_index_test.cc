#include "runtime/data/row_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/error.h"

namespace cairn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::int32_t> add(RowIndex& index,
                              const std::vector<std::int32_t>& tokens) {
  std::vector<std::int32_t> rows(tokens.size(), -7);
  index.add(tokens, rows);
  return rows;
}

TEST(RowIndex, NumbersTokensInOrderOfAppearance) {
  RowIndex index(10);

  EXPECT_THAT(add(index, {9, 0, 9, 4}), ElementsAre(0, 1, 0, 2));
  EXPECT_THAT(add(index, {4, 5, 0}), ElementsAre(2, 3, 1));
  EXPECT_THAT(index.tokens(), ElementsAre(9, 0, 4, 5));
}

TEST(RowIndex, ForgetsEveryToken) {
  RowIndex index(10);
  add(index, {9, 3});

  index.clear();

  EXPECT_THAT(index.tokens(), IsEmpty());
  EXPECT_THAT(add(index, {3, 9}), ElementsAre(0, 1));
}

TEST(RowIndex, RefusesATokenOutsideTheVocabulary) {
  RowIndex index(10);

  for (const std::int32_t token : {-1, 10}) {
    try {
      add(index, {1, 2, token});
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kBadArgument);
      EXPECT_THAT(error.message(),
                  HasSubstr("token " + std::to_string(token) +
                            " at position 2 of a step is not in a "
                            "vocabulary of 10"));
    }
  }
}

TEST(RowIndex, NeedsARowForEveryToken) {
  RowIndex index(10);
  const std::vector<std::int32_t> tokens = {1, 2};
  std::vector<std::int32_t> rows(1);

  EXPECT_THROW(index.add(tokens, rows), Error);
}

}  // namespace
}  // namespace cairn
