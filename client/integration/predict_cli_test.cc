// torchferry predict, one request or a stream of them.
#include "client/integration/cli_fixture.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(CliTest, PredictShowsOutputsAndWhereItRan) {
  const Result run = Run({"predict", "double", "x=[[1, 2, 3]]"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out,
            "OUTPUT  DTYPE  SHAPE   VALUES\n"
            "y       FP32   [1, 3]  [[2, 4, 6]]\n"
            "device cpu · version 2 · batch rows 1 · queue 0.1 ms · compute 2.3 ms\n"
            "fallback: not on the device that was asked for, reason absent\n");
  EXPECT_THAT(run.err, IsEmpty());
}

TEST_F(CliTest, PredictWritesJson) {
  const Result run = Run({"predict", "double:2", "x=[[0.05, 2, 3]]", "--request-id", "a-7", "--json"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const Json document = Json::parse(run.out);
  EXPECT_EQ(document["outputs"]["y"]["values"].dump(), "[[0.1,4.0,6.0]]");
  EXPECT_EQ(document["outputs"]["y"]["dtype"], "FP32");
  EXPECT_EQ(document["outputs"]["y"]["shape"].dump(), "[1,3]");
  EXPECT_EQ(document["model_version"], 2);
  EXPECT_EQ(document["request_id"], "a-7");
  EXPECT_EQ(document["execution"]["device"], "cpu");
  EXPECT_EQ(document["execution"]["fallback_reason"], "absent");
}

TEST_F(CliTest, PredictReadsAndSavesNpyFiles) {
  const std::string input = WriteNpy("x.npy", "[1, 2, 3]", tensor::DType::kFp64);
  const std::string output = folder_ / "y.npy";
  const Result run = Run({"predict", "double", "x=@" + input, "--save", "y=" + output});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err,
            "note: input x: cast float64 → FP32\n"
            "note: input x: added the batch dimension: [1, 3]\n");
  const auto saved = ParseNpy(ReadFile(output).value());
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_EQ(ToJson(*saved).dump(), "[[2.0,4.0,6.0]]");
}

TEST_F(CliTest, PredictStreamPrintsALineForEachStep) {
  const Result run = Run({"predict", "double", "x=[[[1, 2, 3]], [[4, 5, 6]]]", "--stream"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out,
            "step 0  y [[2, 4, 6]]\n"
            "step 1  y [[8, 10, 12]]\n"
            "2 steps · device cpu · version 2 · compute 2.3 ms a step · fallback: absent\n");
  EXPECT_THAT(run.err, IsEmpty());
}

TEST_F(CliTest, PredictStreamWritesAJsonLineForEachStep) {
  const Result run = Run({"predict", "double", "x=[[1, 2, 3], [-1, 0, 0], [4, 5, 6]]", "--stream", "--json"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("added the batch dimension to each step"));
  std::istringstream lines(run.out);
  std::vector<Json> documents;
  for (std::string line; std::getline(lines, line);) documents.push_back(Json::parse(line));
  ASSERT_EQ(documents.size(), 3u) << run.out;
  EXPECT_EQ(documents[0]["step"], 0);
  EXPECT_EQ(documents[0]["outputs"]["y"]["values"].dump(), "[[2.0,4.0,6.0]]");
  EXPECT_EQ(documents[1]["step"], 1);
  EXPECT_EQ(documents[1]["error"]["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(documents[1]["error"]["message"], "x is negative");
  EXPECT_EQ(documents[2]["outputs"]["y"]["values"].dump(), "[[8.0,10.0,12.0]]");
}

TEST_F(CliTest, PredictStreamShowsTheErrorOfAStepAndGoesOn) {
  const Result run = Run({"predict", "double", "x=[[[1, 2, 3]], [[-1, 0, 0]], [[4, 5, 6]]]", "--stream"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.err, "step 1  INVALID_ARGUMENT: x is negative\n");
  EXPECT_THAT(run.out, HasSubstr("step 2  y [[8, 10, 12]]\n3 steps, 1 failed"));
}

TEST_F(CliTest, PredictStreamSaysThatAnswersAreMissing) {
  const Result run = Run({"predict", "double", "x=[[[1, 2, 3]], [[-2, 0, 0]]]", "--stream"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("after 1 of 2 answers"));
}

TEST_F(CliTest, PredictStreamRefusesWhatDoesNotGoWithIt) {
  const Result save = Run({"predict", "double", "x=[[[1, 2, 3]]]", "--stream", "--save", "y=y.npy"});
  EXPECT_EQ(save.exit_code, 2);
  EXPECT_THAT(save.err, HasSubstr("--save"));
  const Result differ = Run({"predict", "double", "x=[[[1, 2, 3]], [[1, 2, 3]]]", "n=[[1], [2], [3]]", "--stream"});
  EXPECT_EQ(differ.exit_code, 2);
  EXPECT_THAT(differ.err, HasSubstr("n has 3 steps"));
}

TEST_F(CliTest, PredictReadsStandardInputOnce) {
  const std::string bytes = FormatNpy(*ParseJsonArray("[[1, 2, 3]]", tensor::DType::kFp32)).value();
  EXPECT_THAT(Run({"predict", "double", "x=@-"}, bytes).out, HasSubstr("[[2, 4, 6]]"));
  const Result twice = Run({"predict", "double", "x=@-", "z=@-"}, bytes);
  EXPECT_EQ(twice.exit_code, 2);
  EXPECT_THAT(twice.err, HasSubstr("just one input"));
}

TEST_F(CliTest, PredictMakesRandomInputs) {
  EXPECT_THAT(Run({"predict", "double", "x=random"}).out, HasSubstr("[1, 3]"));
  const std::vector<std::string> seeded = {"predict", "double", "x=random[2,3]", "--seed", "7"};
  const Result first = Run(seeded);
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("[2, 3]"));
  EXPECT_EQ(first.out, Run(seeded).out);
}

TEST_F(CliTest, NotesAreJsonToo) {
  const Result run = Run({"predict", "double", "x=[1, 2, 3]", "--json"});
  EXPECT_EQ(Json::parse(run.err)["note"], "input x: added the batch dimension: [1, 3]");
}

TEST_F(CliTest, PredictOfAVersionThatIsNotReady) {
  const Result failed = Run({"predict", "broken", "x=random"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("FAILED_PRECONDITION: model broken version 1 failed to load: "
                                    "model.pt is truncated"));
  const Result loading = Run({"predict", "double:1", "x=random"});
  EXPECT_EQ(loading.exit_code, 3);
  EXPECT_THAT(loading.err, HasSubstr("UNAVAILABLE: model double version 1 is still loading"));
}

TEST_F(CliTest, AnAnswerThatDisagreesWithItselfIsAnError) {
  const Result run = Run({"predict", "double", "x=[[1,2,3]]", "--request-id", "lies"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("INTERNAL: the answer's output y: holds 12 bytes"));
}

}  // namespace
}  // namespace torchferry::client
