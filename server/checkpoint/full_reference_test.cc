// The reader against safetensors' own package, on committed files; and against PyTorch, for every
// format times every dtype times every arrangement. The latter's files are not committed:
//   testdata/make_fixtures.py --full DIR
//   TORCHFERRY_FULL_FIXTURES=DIR checkpoint_test --gtest_filter='*FullReference*'
// Without that variable there are no cases of it.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>

#include "server/checkpoint/reference.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

TEST(SafetensorsReferenceTest, IndexAndBytesEqualTheirPackages) {
  const auto expected = nlohmann::json::parse(testing::FixtureBytes("expected.json"));
  for (const std::string name : {"dtypes.safetensors", "module.safetensors"}) {
    SCOPED_TRACE(name);
    testing::ExpectEqualsReference(testing::Fixture(name), expected.at(name));
  }
}

std::string Folder() {
  const char* folder = std::getenv("TORCHFERRY_FULL_FIXTURES");
  return folder == nullptr ? "" : folder;
}

const nlohmann::json& Expected() {
  static const nlohmann::json kExpected = [] {
    if (Folder().empty()) return nlohmann::json::object();
    std::ifstream in(Folder() + "/expected.json");
    return nlohmann::json::parse(in);
  }();
  return kExpected;
}

std::vector<std::string> Files() {
  std::vector<std::string> files;
  for (const auto& [name, entry] : Expected().items()) files.push_back(name);
  return files;
}

class FullReferenceTest : public ::testing::TestWithParam<std::string> {};

TEST_P(FullReferenceTest, IndexAndBytesEqualPyTorchs) {
  absl::StatusOr<std::unique_ptr<File>> file = File::Open(Folder() + "/" + GetParam(), GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  testing::ExpectEqualsReference(*std::move(file), Expected().at(GetParam()));
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FullReferenceTest);
INSTANTIATE_TEST_SUITE_P(Files, FullReferenceTest, ::testing::ValuesIn(Files()), [](const auto& file) {
  std::string name = file.param;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace torchferry::checkpoint
