#include "parallel/mesh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "runtime/error.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

using testing::ElementsAre;

const Mesh kMesh({{"pp", 2}, {"dp", 4}});

TEST(Mesh, CountsRanksAlongTheLastAxisFirst) {
  EXPECT_EQ(kMesh.size(), 8);
  EXPECT_EQ(kMesh.coordinate(3, "pp"), 0);
  EXPECT_EQ(kMesh.coordinate(3, "dp"), 3);
  EXPECT_EQ(kMesh.coordinate(6, "pp"), 1);
  EXPECT_EQ(kMesh.coordinate(6, "dp"), 2);
}

TEST(Mesh, GroupsRanksThatDifferOnOneAxisAlone) {
  EXPECT_THAT(kMesh.group(2, "dp"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(kMesh.group(6, "dp"), ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(kMesh.group(6, "pp"), ElementsAre(2, 6));
}

TEST(Mesh, FindsTheRankAtAPlaceOnAnAxis) {
  EXPECT_EQ(kMesh.at(6, "pp", 0), 2);
  EXPECT_EQ(kMesh.at(2, "dp", 3), 3);
  EXPECT_EQ(kMesh.at(5, "dp", 1), 5);
}

TEST(Mesh, CoversEveryRankOnceWithTheGroupsOfAnAxis) {
  const Mesh mesh({{"pp", 3}, {"dp", 2}, {"tp", 5}});

  for (const Axis& axis : mesh.axes()) {
    std::multiset<int> seen;
    for (int rank = 0; rank < mesh.size(); ++rank) {
      const std::vector<int> group = mesh.group(rank, axis.name);
      const int place = mesh.coordinate(rank, axis.name);
      EXPECT_EQ(group.at(static_cast<std::size_t>(place)), rank);
      if (place == 0) seen.insert(group.begin(), group.end());
    }
    EXPECT_EQ(seen.size(), 30u);
    EXPECT_EQ(std::set<int>(seen.begin(), seen.end()).size(), 30u);
  }
}

TEST(Mesh, IsOneRankWithoutAxes) { EXPECT_EQ(Mesh({}).size(), 1); }

TEST(Mesh, RefusesAnAxisWithoutRanksOrANameGivenTwice) {
  const Error empty = thrown([] { Mesh({{"pp", 0}}); });
  const Error twice = thrown([] { Mesh({{"dp", 2}, {"dp", 3}}); });

  EXPECT_EQ(empty.message(),
            "axis 'pp' was given 0 ranks; an axis has at least 1");
  EXPECT_EQ(twice.message(), "a mesh was given two axes 'dp'");
}

TEST(Mesh, NamesAnAxisRankOrPlaceThatIsNotThere) {
  const Error axis = thrown([] { (void)kMesh.size("tp"); });
  const Error rank = thrown([] { (void)kMesh.coordinate(8, "dp"); });
  const Error place = thrown([] { (void)kMesh.at(0, "pp", -1); });

  EXPECT_EQ(axis.message(), "axis 'tp' was asked for; the mesh has: pp dp");
  EXPECT_EQ(rank.message(), "rank 8 is not among the 8 there are");
  EXPECT_EQ(place.message(),
            "place on axis 'pp' -1 is not among the 2 there are");
}

}  // namespace
}  // namespace cairn
