// A state_dict in several files, and the index that says so.
#include "server/checkpoint/shards.h"

#include <span>

#include "server/checkpoint/limits.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using testing::AsFile;
using testing::Bytes;
using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;
using ::testing::Pair;

absl::Status Parse(const std::string& text) { return ParseShardIndex(text).status(); }

TEST(ShardIndexTest, SaysWhichTensorIsInWhichFile) {
  const auto index = ParseShardIndex(
      R"({"metadata": {"total_size": 12, "more": [{"weight_map": {"x": 1}}, "y"]}, "version": null,
          "weight_map": {"a": "m-2", "b": "m-1", "c": "m-2"}, "weights": {"d": {"e": []}}})");
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_THAT(index->files, ElementsAre("m-2", "m-1"));
  EXPECT_THAT(index->weight_map, ElementsAre(Pair("a", 0), Pair("b", 1), Pair("c", 0)));
}

TEST(ShardIndexTest, PartsLieBesideTheIndexAndNowhereElse) {
  for (const std::string name : {"../m", "/etc/passwd", "a/b", "", ".", "..", ".hidden", "m\\u0000", "m\\n"}) {
    EXPECT_THAT(Parse(R"({"weight_map": {"w": ")" + name + R"("}})"),
                Fails(StatusCode::kDataLoss, AllOf(HasSubstr("part"), HasSubstr("beside the index"))))
        << name;
  }
  EXPECT_FALSE(Parse(R"({"weight_map": {"w": ")" + std::string(300, 'm') + R"("}})").ok());
}

TEST(ShardIndexTest, OtherStructuresAreDamage) {
  for (const std::string text :
       {"", "{", "[]", "3", "null", "{}", R"({"weight_map": 3})", R"({"weight_map": "m"})", R"({"weight_map": ["m"]})",
        R"({"weight_map": {"w": 3}})", R"({"weight_map": {"w": null}})", R"({"weight_map": {"w": {"v": "m"}}})",
        R"({"weight_map": {"w": ["m"]}})", R"({"weight_map": {"w": "m", "w": "m"}})", R"({"weight_map": {"w\n": "m"}})",
        R"({"weight_map": {}, "weight_map": {}})", R"({"metadata": {"weight_map": {"w": "m"}}})",
        R"({"weight_map": {"w": "m"}} x)"}) {
    EXPECT_EQ(Parse(text).code(), StatusCode::kDataLoss) << text;
  }
  EXPECT_EQ(Parse("{\"a\":" + std::string(1'000'000, '[')).code(), StatusCode::kDataLoss);
}

TEST(ShardIndexTest, ThePartsAreBounded) {
  std::string text = R"({"weight_map": {)";
  for (size_t i = 0; i <= limits::kMaxShards; ++i) {
    const std::string number = std::to_string(i);
    text += (i == 0 ? "\"" : ",\"") + number + "\": \"m" + number + "\"";
  }
  EXPECT_THAT(Parse(text + "}}"), Fails(StatusCode::kDataLoss, HasSubstr("more than 512 parts")));
}

// A safetensors file with tensors of one float each.
std::shared_ptr<const File> Part(const std::string& name, const std::vector<std::string>& keys) {
  std::string header = "{";
  std::string data;
  for (const std::string& key : keys) {
    header += (header.size() > 1 ? ",\"" : "\"") + key + "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[" +
              std::to_string(data.size()) + "," + std::to_string(data.size() + 4) + "]}";
    data += key + std::string(4 - key.size(), '.');
  }
  header += "}";
  return AsFile(Bytes(header.size(), 8) + header + data, name);
}

ShardIndex Index(std::vector<std::string> files, std::vector<std::pair<std::string, size_t>> map) {
  return {std::move(files), std::move(map)};
}

TEST(ShardsTest, AreOneStateDictWhoseBytesAreThoseOfTheParts) {
  const std::vector<std::shared_ptr<const File>> parts = {Part("m/1", {"a", "b"}), Part("m/2", {"c"})};
  const ShardIndex index = Index({"1", "2"}, {{"a", 0}, {"b", 0}, {"c", 1}});
  for (const ShardIndex* given : {&index, static_cast<const ShardIndex*>(nullptr)}) {
    const auto opened = OpenShards(parts, given);
    ASSERT_TRUE(opened.ok()) << opened.status();
    std::string read;
    for (const TensorInfo& tensor : (*opened)->tensors()) {
      std::string bytes(4, '\0');
      ASSERT_TRUE((*opened)->ReadStorage(tensor.storage, std::as_writable_bytes(std::span(bytes))).ok());
      read += tensor.key + "=" + bytes + " ";
    }
    EXPECT_EQ(read, "a=a... b=b... c=c... ");
  }
}

TEST(ShardsTest, PartsThatDoNotFitAreNamed) {
  const auto open = [](const std::vector<std::shared_ptr<const File>>& parts, const ShardIndex* index = nullptr) {
    return OpenShards(parts, index).status();
  };
  EXPECT_THAT(open({Part("m/1", {"a"}), Part("m/2", {"a"})}),
              Fails(StatusCode::kDataLoss, AllOf(HasSubstr("\"a\""), HasSubstr("m/1"), HasSubstr("m/2"))));
  const ShardIndex elsewhere = Index({"1", "2"}, {{"a", 1}});
  EXPECT_THAT(open({Part("m/1", {"a"}), Part("m/2", {"b"})}, &elsewhere),
              Fails(StatusCode::kDataLoss, AllOf(HasSubstr("m/2"), HasSubstr("no tensor \"a\""))));
  const ShardIndex more = Index({"1"}, {{"a", 0}, {"z", 0}});
  EXPECT_THAT(open({Part("m/1", {"a"})}, &more), Fails(StatusCode::kDataLoss, HasSubstr("no tensor \"z\"")));
  EXPECT_THAT(open({Part("m/1", {"a"}), AsFile("version https://git-lfs.github.com/spec/v1\n", "m/2")}),
              Fails(StatusCode::kDataLoss, AllOf(HasSubstr("m/2"), HasSubstr("git lfs pull"))));
  EXPECT_THAT(open({testing::Fixture("scripted.pt")}),
              Fails(StatusCode::kInvalidArgument, HasSubstr("is a torchscript")));
}

TEST(ShardsTest, JoinedFilesReadAsOne) {
  const auto joined = JoinFiles({AsFile("abc", "1"), AsFile("", "2"), AsFile("defg", "3")}, "all");
  EXPECT_EQ(joined->size(), 7u);
  EXPECT_EQ(joined->name(), "all");
  for (size_t begin = 0; begin <= 7; ++begin) {
    for (size_t end = begin; end <= 7; ++end) {
      std::string bytes(end - begin, '\0');
      ASSERT_TRUE(joined->Read(begin, std::as_writable_bytes(std::span(bytes))).ok());
      EXPECT_EQ(bytes, std::string("abcdefg").substr(begin, end - begin));
    }
  }
  std::string bytes(8, '\0');
  EXPECT_FALSE(joined->Read(0, std::as_writable_bytes(std::span(bytes))).ok());
}

}  // namespace
}  // namespace torchferry::checkpoint
