#include "server/registry/store_watch.h"

#include <gtest/gtest.h>

#include <chrono>

#include "server/registry/test_registry.h"

namespace torchferry::registry {
namespace {

using StoreWatchTest = RegistryTest;

TEST_F(StoreWatchTest, TakesWhatComesIntoTheStore) {
  store_.Put("m", 1);
  Begin();
  const StoreWatch watch(registry_, std::chrono::milliseconds(1));
  store_.Put("m", 2);
  WaitForStates("2 ready");
}

// Its last look is answered by Stop, and those that come later at once.
TEST_F(StoreWatchTest, EndsAfterItsRegistryHasStopped) {
  store_.Put("m", 1);
  Begin();
  const StoreWatch watch(registry_, std::chrono::milliseconds(1));
  registry_.Stop();
}

}  // namespace
}  // namespace torchferry::registry
