#include "server/checkpoint/exported_names.h"

#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;

constexpr const char* kLeaf = R"({"type": null, "context": null, "children_spec": []})";

// A tree's node; `context` is JSON.
std::string Node(const std::string& type, const std::string& context, const std::vector<std::string>& children) {
  std::string list;
  for (const std::string& child : children) list += (list.empty() ? "" : ", ") + child;
  return R"({"type": ")" + type + R"(", "context": )" + context + R"(, "children_spec": [)" + list + "]}";
}

absl::StatusOr<OutputNames> NamesOf(const std::string& spec, size_t outputs) {
  std::string quoted;
  for (const char c : "[1, " + spec + "]") quoted += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  const auto module =
      ParseProgramJson(R"({"module_call_graph": [{"fqn": "", "signature": {"out_spec": ")" + quoted +
                       R"("}}], "treespec_namedtuple_fields": {"m.Pair": {"field_names": ["left", "right"]}}})");
  EXPECT_TRUE(module.ok()) << module.status();
  return ReadOutputNames(*module, outputs);
}

TEST(ExportedNamesTest, OneTensorHasNoName) {
  const auto names = NamesOf(kLeaf, 1);
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_TRUE(names->is_one_tensor);
  EXPECT_THAT(names->names, ElementsAre(""));
}

TEST(ExportedNamesTest, KeysAndFieldsAreNamesAndElementsNumbers) {
  const std::string pair = Node("collections.namedtuple", "\"m.Pair\"", {kLeaf, kLeaf});
  EXPECT_THAT(NamesOf(pair, 2)->names, ElementsAre("left", "right"));
  EXPECT_FALSE(NamesOf(pair, 2)->is_one_tensor);
  EXPECT_THAT(
      NamesOf(Node("builtins.tuple", "\"null\"", {kLeaf, Node("builtins.list", "\"null\"", {kLeaf, kLeaf})}), 3)->names,
      ElementsAre("0", "1_0", "1_1"));
  EXPECT_THAT(NamesOf(Node("builtins.dict", R"("[\"scores\", \"boxes\"]")",
                           {kLeaf, Node("builtins.tuple", "\"null\"", {kLeaf})}),
                      2)
                  ->names,
              ElementsAre("scores", "boxes_0"));
  EXPECT_THAT(NamesOf(Node("collections.OrderedDict", R"("[\"a\", 7]")", {kLeaf, kLeaf}), 2)->names,
              ElementsAre("a", "7"));
  EXPECT_THAT(
      NamesOf(Node("transformers.modeling_outputs.BaseModelOutput", R"("[\"last_hidden_state\"]")", {kLeaf}), 1)->names,
      ElementsAre("last_hidden_state"));
  EXPECT_THAT(NamesOf(Node("collections.defaultdict", R"({"dict_context": ["a"]})", {kLeaf}), 1)->names,
              ElementsAre("a"));
  EXPECT_THAT(
      NamesOf(Node("builtins.dict", R"("[{\"__enum__\": true, \"fqn\": \"m:E\", \"name\": \"RED\"}]")", {kLeaf}), 1)
          ->names,
      ElementsAre("RED"));
}

TEST(ExportedNamesTest, WhatHasNoNameHasANumber) {
  EXPECT_THAT(NamesOf(Node("collections.namedtuple", "\"m.Other\"", {kLeaf}), 1)->names, ElementsAre("0"));
  EXPECT_THAT(NamesOf(Node("builtins.dict", R"("[\"a\"]")", {kLeaf, kLeaf}), 2)->names, ElementsAre("0", "1"));
  EXPECT_THAT(NamesOf(Node("builtins.dict", R"("[\"\", \"a\\u0000\"]")", {kLeaf, kLeaf}), 2)->names,
              ElementsAre("0", "1"));
  EXPECT_THAT(NamesOf(Node("m.Unknown", "\"no JSON\"", {kLeaf}), 1)->names, ElementsAre("0"));
  EXPECT_THAT(ReadOutputNames(ParseProgramJson("{}").value(), 2)->names, ElementsAre("0", "1"));
}

TEST(ExportedNamesTest, NoTwoAreTheSame) {
  EXPECT_THAT(
      NamesOf(Node("builtins.dict", R"("[\"a_0\", \"a\"]")", {kLeaf, Node("builtins.tuple", "null", {kLeaf})}), 2)
          ->names,
      ElementsAre("a_0", "a_0_1"));
}

TEST(ExportedNamesTest, AnotherNumberOfResultsIsDamage) {
  EXPECT_THAT(NamesOf(kLeaf, 0).status(), Fails(StatusCode::kDataLoss, HasSubstr("more results than the 0")));
  EXPECT_THAT(NamesOf(kLeaf, 2).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("out_spec has 1 results; the signature has 2")));
  EXPECT_THAT(NamesOf(kLeaf, 4097).status(), Fails(StatusCode::kInvalidArgument, HasSubstr("at most 4096")));
  EXPECT_THAT(NamesOf("{}", 1).status(), Fails(StatusCode::kDataLoss, HasSubstr("children_spec")));
  EXPECT_THAT(NamesOf(Node("builtins.dict", R"("[\")" + std::string(1025, 'k') + R"(\"]")", {kLeaf}), 1).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("1025 bytes")));
}

}  // namespace
}  // namespace torchferry::checkpoint
