// Compares a checkpoint with PyTorch's account of it. The tests of the committed fixtures and of the full matrix share
// this comparison. testdata/make_fixtures.py writes expected.json.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "server/checkpoint/checkpoint.h"

namespace torchferry::checkpoint::testing {

inline std::string Hex(std::span<const std::byte> bytes) {
  std::string hex;
  for (const std::byte b : bytes) hex += fmt::format("{:02x}", static_cast<unsigned>(b));
  return hex;
}

inline DictChooser Choose(std::string key) {
  return [key = std::move(key)](const CheckpointOutline&) -> absl::StatusOr<std::string> { return key; };
}

// `expected`: the file's entry of expected.json.
inline void ExpectEqualsReference(std::shared_ptr<const File> file, const nlohmann::json& expected) {
  const std::string key = expected.value("state_dict", "");
  const auto opened = Checkpoint::Open(std::move(file), Choose(key));
  ASSERT_TRUE(opened.ok()) << opened.status();
  const Checkpoint& checkpoint = **opened;
  ASSERT_EQ(checkpoint.tensors().size(), expected.at("tensors").size());
  EXPECT_EQ(checkpoint.storages().size(), expected.at("storages").size());
  EXPECT_THAT(checkpoint.index().other_entries,
              ::testing::ElementsAreArray(expected.at("others").get<std::vector<std::string>>()));
  EXPECT_EQ(checkpoint.index().producer, expected.value("producer", "PyTorch"));
  for (size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    const TensorInfo& tensor = checkpoint.tensors()[i];
    const nlohmann::json& want = expected.at("tensors")[i];
    EXPECT_EQ(tensor.key, want.at("key"));
    EXPECT_EQ(tensor::TorchName(tensor.dtype), want.at("dtype").get<std::string>()) << tensor.key;
    EXPECT_EQ(tensor.shape, want.at("shape").get<tensor::Shape>()) << tensor.key;
    EXPECT_EQ(tensor.strides, want.at("strides").get<std::vector<int64_t>>()) << tensor.key;
    EXPECT_EQ(tensor.storage_offset, want.at("offset")) << tensor.key;
    ASSERT_EQ(tensor.storage, want.at("storage")) << tensor.key;
    const StorageInfo& storage = checkpoint.storages()[tensor.storage];
    EXPECT_EQ(storage.saved_device, want.at("device")) << tensor.key;
    std::vector<std::byte> bytes(storage.size_bytes);
    ASSERT_TRUE(checkpoint.ReadStorage(tensor.storage, bytes).ok());
    EXPECT_EQ(Hex(bytes), expected.at("storages")[tensor.storage]) << tensor.key;
  }
}

}  // namespace torchferry::checkpoint::testing
