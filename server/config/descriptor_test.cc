// Holds proto/inference/model_config.proto against what Triton's consists of, both ways.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "inference/model_config.pb.h"

namespace torchferry::config {
namespace {

namespace pb = google::protobuf;
using nlohmann::json;

// What this server has and Triton has not.
constexpr std::string_view kOwnMessage = "inference.TorchferryConfig";
constexpr std::string_view kOwnField = "torchferry";

json FieldFacts(const pb::FieldDescriptor& field) {
  json facts = {{"number", field.number()},
                {"type", field.type_name()},
                {"label", field.is_repeated() ? "repeated" : "optional"}};
  if (field.message_type() != nullptr) facts["type_name"] = field.message_type()->full_name();
  if (field.enum_type() != nullptr) facts["type_name"] = field.enum_type()->full_name();
  if (field.real_containing_oneof() != nullptr) {
    facts["oneof"] = field.real_containing_oneof()->name();
  }
  return facts;
}

void AddEnum(const pb::EnumDescriptor& type, json& table) {
  json& values = table["enums"][type.full_name()];
  for (int i = 0; i < type.value_count(); ++i) {
    values[type.value(i)->name()] = type.value(i)->number();
  }
}

void AddMessage(const pb::Descriptor& type, json& table) {
  if (type.full_name() == kOwnMessage) return;
  json& fields = table["messages"][type.full_name()] = json::object();
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->name() == kOwnField) continue;
    fields[type.field(i)->name()] = FieldFacts(*type.field(i));
  }
  for (int i = 0; i < type.enum_type_count(); ++i) AddEnum(*type.enum_type(i), table);
  for (int i = 0; i < type.nested_type_count(); ++i) AddMessage(*type.nested_type(i), table);
}

json OurTable() {
  const pb::FileDescriptor& file = *inference::ModelConfig::descriptor()->file();
  json table = {{"package", file.package()}};
  for (int i = 0; i < file.enum_type_count(); ++i) AddEnum(*file.enum_type(i), table);
  for (int i = 0; i < file.message_type_count(); ++i) AddMessage(*file.message_type(i), table);
  return table;
}

json TritonTable() {
  const char* root = std::getenv("TORCHFERRY_SOURCE_DIR");
  if (root == nullptr) return {};
  std::ifstream file(std::string(root) + "/server/config/testdata/triton_model_config.json");
  json table = json::parse(file, nullptr, false);
  if (table.is_object()) table.erase("source");
  return table;
}

TEST(ModelConfigProtoTest, HasTritonsMessagesFieldsAndValuesAndOnlyOneFieldMore) {
  const json triton = TritonTable();
  ASSERT_TRUE(triton.is_object()) << "set TORCHFERRY_SOURCE_DIR to the source tree";
  ASSERT_GE(triton["messages"].size(), 50U);
  EXPECT_EQ(json::diff(triton, OurTable()), json::array());
}

TEST(ModelConfigProtoTest, OwnFieldIsOutOfTheWayOfTritons) {
  const auto* field = inference::ModelConfig::descriptor()->FindFieldByName(std::string(kOwnField));
  ASSERT_NE(field, nullptr);
  EXPECT_EQ(field->number(), 1000);
  EXPECT_EQ(field->message_type()->full_name(), kOwnMessage);
}

}  // namespace
}  // namespace torchferry::config
