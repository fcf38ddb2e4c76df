#include "runtime/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/declared_block.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ParameterSpec dense_table(const std::string& name) { return {name, {9, 4}}; }

TEST(Model, ListsParametersInTheOrderOfTheirFirstDeclaration) {
  const Model model(declared({{table_of("table", 9, 4), vector_of("a", 3)},
                              {vector_of("b", 5)},
                              {vector_of("c", 7), dense_table("table")}}));

  ASSERT_EQ(model.layout().entries().size(), 4U);
  EXPECT_THAT(model.parameters_of(0), ElementsAre(0, 1));
  EXPECT_THAT(model.parameters_of(1), ElementsAre(2));
  EXPECT_THAT(model.parameters_of(2), ElementsAre(3, 0));
  EXPECT_EQ(model.layout().parameters(), 36 + 3 + 5 + 7);
  EXPECT_EQ(model.vocab(), 9);
}

TEST(Model, TellsWhetherATablesGradientIsAddedToByAnotherBlock) {
  const Model tied(
      declared({{table_of("table", 9, 4)}, {dense_table("table")}}));
  const Model untied(
      declared({{table_of("table", 9, 4)}, {dense_table("other")}}));

  ASSERT_EQ(tied.row_gradients().size(), 1U);
  EXPECT_TRUE(tied.row_gradients().front().shared);
  ASSERT_EQ(untied.row_gradients().size(), 1U);
  EXPECT_FALSE(untied.row_gradients().front().shared);
}

TEST(Model, RefusesAParameterThatTwoBlocksGiveADenseGradient) {
  const Error error = thrown([] {
    Model(declared({{vector_of("a", 3)},
                    {vector_of("b", 5)},
                    {vector_of("c", 7), vector_of("b", 5)}}));
  });

  EXPECT_EQ(error.code(), Code::kBadArgument);
  EXPECT_THAT(error.message(),
              HasSubstr("more than one block gives b a dense gradient"));
}

TEST(Model, RefusesATableThatTwoOtherBlocksUse) {
  EXPECT_THAT(thrown([] {
                Model(declared({{table_of("table", 9, 4)},
                                {dense_table("table")},
                                {dense_table("table")}}));
              }).message(),
              HasSubstr("gives table a dense gradient"));
}

TEST(Model, RefusesOneNameForTwoShapes) {
  EXPECT_THAT(thrown([] {
                Model(declared({{vector_of("a", 3)}, {vector_of("a", 4)}}));
              }).message(),
              HasSubstr("a"));
}

}  // namespace
}  // namespace cairn
