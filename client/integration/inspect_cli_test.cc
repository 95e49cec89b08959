// torchferry inspect.
#include "client/integration/cli_fixture.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string Fixture(const std::string& file) {
  const char* source = std::getenv("TORCHFERRY_SOURCE_DIR");
  return std::string(source == nullptr ? "." : source) + "/server/checkpoint/testdata/" + file;
}

TEST_F(CliTest, InspectNeedsNoServer) {
  const Result result = RunAlone({"--address", "127.0.0.1:1", "inspect", Fixture("module.pt")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("state_dict"));
  EXPECT_THAT(result.err, IsEmpty());
}

TEST_F(CliTest, InspectShowsTheSoundFilesAndExitsWith6ForTheOthers) {
  const Result text = RunAlone({"inspect", Fixture("whole_model.pt"), Fixture("module.pt")});
  EXPECT_EQ(text.exit_code, 6);
  EXPECT_THAT(text.err, HasSubstr("INVALID_ARGUMENT: "));
  EXPECT_THAT(text.out, HasSubstr("sha256"));
  const Result json = RunAlone({"--json", "inspect", Fixture("whole_model.pt"), Fixture("module.pt")});
  EXPECT_EQ(json.exit_code, 6);
  const Json files = Json::parse(json.out).at("files");
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].at("error").at("code"), "INVALID_ARGUMENT");
  EXPECT_EQ(files[0].at("servable"), false);
  EXPECT_EQ(files[1].at("servable"), true);
}

TEST_F(CliTest, InspectScaffoldWritesNothingButTheSource) {
  const Result result = RunAlone({"inspect", "--scaffold", Fixture("module.pt")});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, StartsWith("\"\"\""));
  const Result script = RunAlone({"inspect", "--scaffold", Fixture("scripted.pt")});
  EXPECT_EQ(script.exit_code, 2);
  EXPECT_THAT(script.err, HasSubstr("brings its own code"));
}

}  // namespace
}  // namespace torchferry::client
