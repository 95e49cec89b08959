#include "server/checkpoint/exported_json.h"

#include "server/checkpoint/limits.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using testing::Fails;
using ::testing::HasSubstr;

std::string Repeated(std::string_view text, size_t count) {
  std::string repeated;
  for (size_t i = 0; i < count; ++i) repeated += text;
  return repeated;
}

TEST(ExportedJsonTest, ValuesOfAllKinds) {
  const auto value = ParseProgramJson(R"({"a": [1, -2, 1.5, "text", true, null], "b": {}})");
  ASSERT_TRUE(value.ok()) << value.status();
  const JsonValue* a = value->Find("a");
  ASSERT_NE(a, nullptr);
  ASSERT_EQ(a->items.size(), 6U);
  EXPECT_EQ(a->items[1].integer, -2);
  EXPECT_EQ(a->items[2].number, 1.5);
  EXPECT_EQ(a->items[3].text, "text");
  EXPECT_EQ(a->items[4].integer, 1);
  EXPECT_EQ(a->items[5].kind, JsonValue::Kind::kNull);
  EXPECT_EQ(value->Find("b")->kind, JsonValue::Kind::kObject);
  EXPECT_EQ(value->Find("c"), nullptr);
  EXPECT_EQ(a->Find("c"), nullptr);
}

TEST(ExportedJsonTest, MetadataIsLeftOutOfNodesAndOfTheGraphModuleAlone) {
  const auto value = ParseProgramJson(R"({"graph_module": {"metadata": {"a": [{"b": 1}, 99999999999999999999]},
      "graph": {"nodes": [{"metadata": {"stack_trace": "x"}, "target": "t"}, {"metadata": 1, "target": "u"}],
                "tensor_values": {"metadata": {"dtype": 7}, "nodes": {"metadata": 3}}}}, "metadata": 4})");
  ASSERT_TRUE(value.ok()) << value.status();
  const JsonValue* module = value->Find("graph_module");
  EXPECT_EQ(module->Find("metadata"), nullptr);
  const JsonValue* graph = module->Find("graph");
  for (const JsonValue& node : graph->Find("nodes")->items) {
    EXPECT_EQ(node.Find("metadata"), nullptr);
    EXPECT_NE(node.Find("target"), nullptr);
  }
  // Inputs of that name.
  EXPECT_NE(graph->Find("tensor_values")->Find("metadata"), nullptr);
  EXPECT_NE(graph->Find("tensor_values")->Find("nodes")->Find("metadata"), nullptr);
  EXPECT_NE(value->Find("metadata"), nullptr);
}

TEST(ExportedJsonTest, WhatIsNoneIsRefused) {
  const auto error = [](const std::string& text) { return ParseProgramJson(text).status(); };
  EXPECT_THAT(error(""), Fails(StatusCode::kDataLoss, HasSubstr("no JSON from byte")));
  EXPECT_THAT(error("{\"a\": 1"), Fails(StatusCode::kDataLoss, HasSubstr("no JSON from byte")));
  EXPECT_THAT(error("{\"a\": NaN}"), Fails(StatusCode::kDataLoss, HasSubstr("no JSON from byte")));
  EXPECT_THAT(error("{\"a\": \"\xff\"}"), Fails(StatusCode::kDataLoss, HasSubstr("no JSON from byte")));
  EXPECT_THAT(error("[1e999]"), Fails(StatusCode::kDataLoss, HasSubstr("no JSON from byte")));
  EXPECT_THAT(error(R"({"a": 1, "a": 2})"), Fails(StatusCode::kDataLoss, HasSubstr("key \"a\" twice")));
  EXPECT_THAT(error("[9223372036854775808]"), Fails(StatusCode::kDataLoss, HasSubstr("more than 64 bits")));
  const size_t depth = limits::kMaxProgramDepth;
  EXPECT_TRUE(error(Repeated("[", depth) + Repeated("]", depth)).ok());
  EXPECT_THAT(error(Repeated("[", depth + 1)), Fails(StatusCode::kDataLoss, HasSubstr("200 deep")));
  EXPECT_THAT(error("[" + Repeated("1,", limits::kMaxProgramValues) + "1]"),
              Fails(StatusCode::kDataLoss, HasSubstr("2000000 values")));
  // Depth that is left out costs nothing.
  EXPECT_TRUE(error("{\"nodes\": [{\"metadata\": " + Repeated("[", 100'000) + Repeated("]", 100'000) + "}]}").ok());
}

}  // namespace
}  // namespace torchferry::checkpoint
