#include "server/tensor/batch_sizes.h"

#include <gmock/gmock.h>

namespace torchferry::tensor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(BatchSizesTest, PowersOfTwoWhatIsBetweenAndTheMost) {
  EXPECT_THAT(BatchSizes(0), IsEmpty());
  EXPECT_THAT(BatchSizes(1), ElementsAre(1));
  EXPECT_THAT(BatchSizes(2), ElementsAre(1, 2));
  EXPECT_THAT(BatchSizes(5), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(BatchSizes(6), ElementsAre(1, 2, 3, 4, 6));
  EXPECT_THAT(BatchSizes(33), ElementsAre(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 33));
  EXPECT_EQ(BatchSizes(1 << 20).size(), 40);
}

}  // namespace
}  // namespace torchferry::tensor
