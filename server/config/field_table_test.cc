#include "server/config/field_table.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "inference/model_config.pb.h"

namespace torchferry::config {
namespace {

namespace pb = google::protobuf;

// The paths that need a row: every field, but for what lies inside a field that is ignored or
// refused.
void AddPaths(const pb::Descriptor& type, const std::string& prefix, std::vector<std::string>& paths) {
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor& field = *type.field(i);
    const std::string path = prefix + field.name();
    paths.push_back(path);
    const FieldRule* rule = FindFieldRule(path);
    const bool is_honoured = rule != nullptr && rule->effect == FieldEffect::kHonoured;
    if (is_honoured && field.message_type() != nullptr && !field.is_map()) {
      AddPaths(*field.message_type(), path + ".", paths);
    }
  }
}

std::vector<std::string> DescriptorPaths() {
  std::vector<std::string> paths;
  AddPaths(*inference::ModelConfig::descriptor(), "", paths);
  return paths;
}

TEST(FieldTableTest, EveryFieldOfTheDescriptorHasItsRowAndEveryRowItsField) {
  std::vector<std::string> rows;
  for (const FieldRule& rule : FieldTable()) rows.emplace_back(rule.path);
  EXPECT_THAT(rows, testing::UnorderedElementsAreArray(DescriptorPaths()));
}

TEST(FieldTableTest, WhatIsNotHonouredHasAReason) {
  for (const FieldRule& rule : FieldTable()) {
    EXPECT_EQ(rule.reason.empty(), rule.effect == FieldEffect::kHonoured) << rule.path;
  }
}

TEST(FieldTableTest, FindsWholePathsOnly) {
  EXPECT_NE(FindFieldRule("input.reshape.shape"), nullptr);
  EXPECT_EQ(FindFieldRule("input.reshape.shap"), nullptr);
  EXPECT_EQ(FindFieldRule("reshape.shape"), nullptr);
  EXPECT_EQ(FindFieldRule(""), nullptr);
}

}  // namespace
}  // namespace torchferry::config
