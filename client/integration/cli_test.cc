// The CLI's other commands, its errors and its exit codes.
#include "client/integration/cli_fixture.h"

namespace torchferry::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(CliTest, UnknownModelIsTheServersError) {
  for (const char* command : {"predict", "model"}) {
    const Result run = Run({command, "nope"});
    EXPECT_EQ(run.exit_code, 1);
    EXPECT_EQ(run.err, "torchferry: NOT_FOUND: no model \"nope\"\n");
  }
}

TEST_F(CliTest, HealthOfAnUnknownModelListsThoseThatAre) {
  const Result run = Run({"health", "--model", "nope"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.err, "torchferry: NOT_FOUND: model \"nope\" is not in the store; it has: broken, double\n");
}

TEST_F(CliTest, ServerErrorsExitWith1AndJsonOnDemand) {
  const Result run = Run({"predict", "double", "z=[1]", "--json"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out, IsEmpty());
  const Json error = Json::parse(run.err)["error"];
  EXPECT_EQ(error["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(error["message"], "input x is missing");
}

TEST_F(CliTest, DeadlineExitsWith4) {
  const Result run = Run({"predict", "double", "x=[[1,2,3]]", "--request-id", "slow", "--timeout", "0.1"});
  EXPECT_EQ(run.exit_code, 4);
  EXPECT_THAT(run.err, HasSubstr("raise --timeout"));
}

TEST_F(CliTest, NobodyThereExitsWith3) {
  const std::string address = address_;
  server_->Shutdown();
  const Result run = Run({"models"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.err, HasSubstr("no server answers at " + address));
}

TEST_F(CliTest, LocalMistakesExitWith2) {
  const std::string good = "x=[[1,2,3]]";
  const std::vector<std::vector<std::string>> kWrong = {
      {},
      {"no_such_command"},
      {"predict"},
      {"predict", "double", good, "--no-such-flag"},
      {"predict", "double:one", good},
      {"predict", "double", "x"},
      {"predict", "double", "x=[[1,2"},
      {"predict", "double", "x=@no_such_file.npy"},
      {"predict", "double", "x=@/"},
      {"predict", "double", good, good},
      {"predict", "double", good, "--save", "y"},
      {"predict", "double", good, "--save", "nope=" + (folder_ / "n.npy").string()},
      {"predict", "double", good, "--save", "y=/no/such/folder/y.npy"},
      {"predict", "double", good, "--output", "y", "--save", "z=z.npy"},
      {"models", "--timeout", "0"},
      {"models", "--timeout", "nan"},
      {"models", "--max-message-mib", "0"},
      {"health", "--liveness", "--model", "double"},
      {"load"},
      {"load", "double", "double:2"},
      {"unload", "double:0"},
  };
  for (const auto& arguments : kWrong) {
    const Result run = Run(arguments);
    EXPECT_EQ(run.exit_code, 2) << ::testing::PrintToString(arguments) << run.out;
    EXPECT_THAT(run.err, StartsWith("torchferry: ")) << ::testing::PrintToString(arguments);
  }
}

TEST_F(CliTest, RefusesAddressesThatGrpcWouldMisread) {
  for (const char* address : {"localhost", "http://localhost:8001", ":8001", "localhost:"}) {
    const Result run = RunAlone({"models", "--address", address});
    EXPECT_EQ(run.exit_code, 2) << address;
    EXPECT_THAT(run.err, HasSubstr("is not HOST:PORT"));
  }
}

TEST_F(CliTest, UsageErrorsAreJsonWhereverTheFlagStands) {
  const Result run = Run({"predict", "--json"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_EQ(Json::parse(run.err)["error"]["code"], "INVALID_ARGUMENT");
}

TEST_F(CliTest, ModelsShowsStatesAndErrorsInFull) {
  const Result run = Run({"models"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out,
            "MODEL   VERSION  STATE    DEVICE  FORMAT       REASON\n"
            "broken  1        FAILED                        DATA_LOSS\n"
            "double  1        LOADING\n"
            "double  2        READY    cpu     torchscript  fallback from cuda:1: absent\n"
            "\n"
            "Model broken, version 1: DATA_LOSS\n"
            "  model.pt is truncated:\n"
            "      the directory lacks its end\n");
}

TEST_F(CliTest, ModelsWritesJson) {
  const Json versions = Json::parse(Run({"models", "--json"}).out)["versions"];
  ASSERT_EQ(versions.size(), 3U);
  EXPECT_EQ(versions[0]["error"]["code"], "DATA_LOSS");
  EXPECT_EQ(versions[2]["state"], "READY");
  EXPECT_EQ(versions[2]["inputs"][0]["shape"].dump(), "[-1,3]");
  EXPECT_EQ(versions[2]["placement"]["device"], "cpu");
}

TEST_F(CliTest, ModelShowsEverything) {
  const Result run = Run({"model", "double:2"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  for (const char* part :
       {"double/2/model.pt", "torchscript", "[-1, 3]", "cuda:1", "absent", "up to 8 rows", "READY"}) {
    EXPECT_THAT(run.out, HasSubstr(part));
  }
  EXPECT_THAT(Run({"model", "broken"}).out, HasSubstr("the directory lacks its end"));
}

TEST_F(CliTest, HealthExitsByStatus) {
  EXPECT_EQ(Run({"health"}).exit_code, 0);
  EXPECT_EQ(Run({"health"}).out, "server  SERVING\n");
  EXPECT_EQ(Run({"health", "--liveness"}).out, "process  SERVING\n");
  const Result broken = Run({"health", "--model", "broken"});
  EXPECT_EQ(broken.exit_code, 5);
  EXPECT_EQ(broken.out, "model broken  NOT_SERVING\n");
  EXPECT_EQ(Run({"health", "--model", "broken", "--json"}).out,
            "{\"service\":\"model/broken\",\"status\":\"NOT_SERVING\"}\n");
}

TEST_F(CliTest, WatchPrintsChangesUntilItsTimeout) {
  const Result run = Run({"health", "--watch", "--timeout", "0.5", "--json"});
  EXPECT_EQ(run.exit_code, 5) << run.err;
  EXPECT_THAT(run.err, IsEmpty());
  std::vector<std::string> statuses;
  std::istringstream lines(run.out);
  for (std::string line; std::getline(lines, line);) statuses.push_back(Json::parse(line)["status"]);
  EXPECT_EQ(statuses, (std::vector<std::string>{"SERVICE_UNKNOWN", "SERVING", "NOT_SERVING"}));
}

TEST_F(CliTest, LoadsEachModelWithTheVersionsThatAreNamed) {
  const Result run = Run({"load", "double:2", "other", "double:3"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(admin_.calls, ElementsAre("load double [2, 3]", "load other []"));
  EXPECT_THAT(run.out, HasSubstr("other   2        READY"));
}

TEST_F(CliTest, AFailedLoadShowsWhatCameBefore) {
  const Result run = Run({"load", "double", "broken", "other"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.err, "torchferry: DATA_LOSS: version 1: is damaged\n");
  EXPECT_THAT(run.out, HasSubstr("double  2        READY"));
  EXPECT_THAT(admin_.calls, ElementsAre("load double []", "load broken []"));
}

TEST_F(CliTest, UnloadsOneVersionOrAll) {
  const Result run = Run({"unload", "double:2", "double:1", "other", "--json"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(admin_.calls, ElementsAre("unload double 2", "unload double 1", "unload other 0"));
  EXPECT_EQ(Json::parse(run.out)["versions"][1]["state"], "UNLOADED");
}

TEST_F(CliTest, ALongLoadShowsHowLongItTakesOnATerminal) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Console console{in, out, err};
  console.is_err_terminal = true;
  EXPECT_EQ(RunCli({"--address", address_, "load", "slow"}, console), 0);
  EXPECT_THAT(err.str(), AllOf(HasSubstr("loading slow  0.5 s"), EndsWith("\r\x1b[K")));
  EXPECT_THAT(Run({"load", "slow"}).err, IsEmpty());
}

TEST_F(CliTest, HelpNamesCommandsAndExitCodes) {
  const Result help = RunAlone({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* part : {"predict", "bench", "models", "health", "TORCHFERRY_ADDRESS", "Exit codes"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
  EXPECT_THAT(RunAlone({"predict", "--help"}).out, HasSubstr("NAME=@FILE.npy"));
  EXPECT_THAT(RunAlone({"--version"}).out, StartsWith("torchferry "));
}

TEST_F(CliTest, CommandsOfThePythonPackageSayWhereTheyAre) {
  const Result help = RunAlone({"--help"});
  for (const char* command : {"convert", "pull"}) {
    EXPECT_THAT(help.out, HasSubstr(command));
    // Its arguments and flags are not this program's.
    for (const char* argument : {"model.pth", "--class"}) {
      const Result run = RunAlone({command, argument});
      EXPECT_EQ(run.exit_code, 2) << argument;
      EXPECT_THAT(run.err, AllOf(StartsWith("torchferry: INVALID_ARGUMENT: " + std::string(command)),
                                 HasSubstr("pip install torchferry")));
    }
    EXPECT_THAT(RunAlone({command, "--help"}).out, HasSubstr("pip install torchferry"));
  }
}

TEST_F(CliTest, ColoursOnlyWhereTheConsoleHasThem) {
  EXPECT_THAT(Run({"models"}).out, Not(HasSubstr("\x1b")));
  std::istringstream in;
  std::ostringstream out;
  RunCli({"--address", address_, "models"}, Console{in, out, out, true});
  EXPECT_THAT(out.str(), HasSubstr("\x1b[32mREADY\x1b[0m"));
}

TEST_F(CliTest, OutputThatCannotBeWrittenIsAnError) {
  std::istringstream in;
  std::ofstream full("/dev/full");
  std::ostringstream err;
  EXPECT_EQ(RunCli({"--address", address_, "models"}, Console{in, full, err}), 2);
  EXPECT_THAT(err.str(), HasSubstr("cannot write the output"));
}

}  // namespace
}  // namespace torchferry::client
