// torchferry bench. Bounds are wide: the machine may be busy.
#include <csignal>
#include <future>

#include "client/integration/cli_fixture.h"

namespace torchferry::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// Answers whose latency is at least so long.
uint64_t CountFrom(const Json& step, double ms) {
  uint64_t count = 0;
  for (const Json& bucket : step["histogram"]) {
    if (bucket["from_ms"] >= ms) count += bucket["count"].get<uint64_t>();
  }
  return count;
}

class BenchCliTest : public CliTest {
 protected:
  void WaitForPredicts(int64_t count) {
    while (inference_.predicts < count) std::this_thread::sleep_for(milliseconds(5));
  }
};

TEST_F(BenchCliTest, AClosedLoopKeepsSoManyRequestsUnderWay) {
  std::atomic<int64_t> inside = 0;
  std::atomic<int64_t> most = 0;
  inference_.on_predict = [&](int64_t) {
    const int64_t now = ++inside;
    for (int64_t seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
    std::this_thread::sleep_for(milliseconds(20));
    --inside;
    return grpc::Status::OK;
  };
  const Result run = Run({"bench", "double", "--concurrency", "2,6", "--rows", "3", "--duration", "0.8", "--warm-up",
                          "0.2", "--connections", "3", "--threads", "2", "--json"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(most, 6);
  const Json document = Json::parse(run.out);
  ASSERT_EQ(document["steps"].size(), 2u);
  for (const Json& step : document["steps"]) {
    const double exact = step["concurrency"].get<double>() / 0.02;
    EXPECT_LE(step["requests_per_second"], exact * 1.1);
    EXPECT_GE(step["requests_per_second"], exact * 0.2);
    EXPECT_DOUBLE_EQ(step["rows_per_second"], 3 * step["requests_per_second"].get<double>());
    EXPECT_EQ(CountFrom(step, 0), step["ok"]);
    EXPECT_EQ(CountFrom(step, 19), step["ok"]);
    EXPECT_GE(step["latency_ms"]["min"], 20);
    EXPECT_GE(step["latency_ms"]["max"], step["latency_ms"]["p99_9"]);
    EXPECT_EQ(step["failed"], 0);
    EXPECT_EQ(step["server"]["devices"], Json({{"cpu", step["ok"]}}));
    EXPECT_EQ(step["server"]["mean_batch_rows"], 3);
    EXPECT_NEAR(step["server"]["mean_compute_ms"], 2.3, 1e-6);
    EXPECT_EQ(step["server"]["fallback_reasons"], Json({{"absent", step["ok"]}}));
  }
  EXPECT_EQ(document["model_version"], 2);
  EXPECT_EQ(document["server_version"], nullptr);
  EXPECT_EQ(document["options"]["inputs"],
            Json::parse(R"([{"name": "x", "dtype": "FP32", "shape": [3, 3], "generated": true, "made_up": true}])"));
  EXPECT_EQ(document["options"]["duration_seconds"], 0.8);
  EXPECT_EQ(document["interrupted"], false);
}

// A closed loop would have noticed the stall once: coordinated omission.
TEST_F(BenchCliTest, AnOpenLoopCountsAStallForEachRequestThatWasDueInIt) {
  constexpr auto kStall = milliseconds(300);
  std::atomic<steady_clock::time_point> stall_end{steady_clock::time_point()};
  inference_.on_predict = [&](int64_t number) {
    if (number == 30) stall_end = steady_clock::now() + kStall;
    std::this_thread::sleep_until(stall_end.load());
    return grpc::Status::OK;
  };
  const Result run = Run({"bench", "double", "--rate", "100", "--duration", "1", "--warm-up", "0", "--json"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const Json step = Json::parse(run.out)["steps"][0];
  EXPECT_EQ(step["rate"], 100);
  EXPECT_EQ(step["ok"], 100);
  EXPECT_EQ(step["not_sent"], 0);
  EXPECT_GE(step["latency_ms"]["max"], 250);
  // 30 were due in the stall, 20 of them 100 ms or more before its end.
  EXPECT_GE(CountFrom(step, 90), 15u);
}

TEST_F(BenchCliTest, AnOpenLoopSaysWhatItDidNotSend) {
  inference_.on_predict = [](int64_t number) {
    if (number > 1) std::this_thread::sleep_for(milliseconds(200));
    return grpc::Status::OK;
  };
  const Result run = Run({"bench", "double", "--rate", "100", "--arrivals", "poisson", "--seed", "3",
                          "--max-outstanding", "2", "--duration", "0.5", "--warm-up", "0", "--json"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const Json step = Json::parse(run.out)["steps"][0];
  EXPECT_GE(step["ok"], 2);
  EXPECT_LE(step["ok"], 6);
  EXPECT_GE(step["not_sent"], 10);
}

TEST_F(BenchCliTest, ErrorsAreCountedByCode) {
  inference_.on_predict = [](int64_t number) -> grpc::Status {
    if (number == 4) return {grpc::UNAVAILABLE, "the queue is full (1)"};
    if (number % 10 == 0) return {grpc::INTERNAL, "raised in " + std::to_string(number)};
    if (number > 4 && number % 10 == 5) return {grpc::UNAVAILABLE, "the queue is full (2)"};
    return grpc::Status::OK;
  };
  const std::vector<std::string> arguments = {"bench", "double", "--duration", "0.3", "--warm-up", "0"};
  const Result table = Run(arguments);
  EXPECT_EQ(table.exit_code, 3);
  EXPECT_THAT(table.out, AllOf(HasSubstr("the queue is full (1)"), HasSubstr("raised in 10"),
                               Not(HasSubstr("the queue is full (2)"))));

  inference_.predicts = 0;
  std::vector<std::string> json = arguments;
  json.emplace_back("--json");
  const Json step = Json::parse(Run(json).out)["steps"][0];
  ASSERT_EQ(step["errors"].size(), 2u);
  EXPECT_EQ(step["errors"][0]["code"], "UNAVAILABLE");
  EXPECT_EQ(step["errors"][0]["message"], "the queue is full (1)");
  EXPECT_EQ(step["errors"][1]["code"], "INTERNAL");
  EXPECT_EQ(step["errors"][0]["count"].get<int>() + step["errors"][1]["count"].get<int>(), step["failed"]);
  EXPECT_GT(step["ok"], step["failed"]);
}

TEST_F(BenchCliTest, ARequestThatCannotSucceedIsSentOnce) {
  const Result run = Run({"bench", "double", "x=[[1, 2, 3]]", "--rows", "1", "--duration", "0.1", "--warm-up", "0"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  inference_.predicts = 0;
  inference_.on_predict = [](int64_t) { return grpc::Status(grpc::INVALID_ARGUMENT, "x is odd"); };
  const Result refused = Run({"bench", "double"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.err, "torchferry: INVALID_ARGUMENT: x is odd\n");
  EXPECT_THAT(refused.out, IsEmpty());
  EXPECT_EQ(inference_.predicts, 1);
}

TEST_F(BenchCliTest, AServerThatGoesAwayEndsItWithWhatThereIs) {
  auto stopped = std::async(std::launch::async, [&] {
    WaitForPredicts(50);
    server_->Shutdown(std::chrono::system_clock::now());
  });
  const auto start = steady_clock::now();
  const Result run = Run({"bench", "double", "--concurrency", "4,8", "--duration", "60", "--warm-up", "0", "--json"});
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_EQ(run.exit_code, 3) << run.err;
  EXPECT_THAT(Json::parse(run.err)["error"]["message"].get<std::string>(),
              AnyOf(HasSubstr("no server answers"), HasSubstr("closed the connection")));
  const Json document = Json::parse(run.out);
  ASSERT_EQ(document["steps"].size(), 1u);
  EXPECT_GE(document["steps"][0]["ok"], 30);
  EXPECT_LT(document["steps"][0]["failed"], 100);
  EXPECT_LT(document["steps"][0]["seconds"], 30);
}

TEST_F(BenchCliTest, AnOpenLoopEndsWithItsServerToo) {
  auto stopped = std::async(std::launch::async, [&] {
    WaitForPredicts(20);
    server_->Shutdown(std::chrono::system_clock::now());
  });
  const Result run = Run({"bench", "double", "--duration", "60", "--rate", "200,100"});
  EXPECT_EQ(run.exit_code, 3) << run.err;
  EXPECT_THAT(run.out, HasSubstr("RATE"));
}

TEST_F(BenchCliTest, CtrlCEndsItWithWhatThereIs) {
  auto interrupted = std::async(std::launch::async, [&] {
    WaitForPredicts(20);
    std::raise(SIGINT);
  });
  const Result run = Run({"bench", "double", "--concurrency", "2,4", "--duration", "60", "--warm-up", "0", "--json"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const Json document = Json::parse(run.out);
  EXPECT_EQ(document["interrupted"], true);
  ASSERT_EQ(document["steps"].size(), 1u);
  EXPECT_EQ(document["steps"][0]["failed"], 0);
  EXPECT_GE(document["steps"][0]["ok"], 10);
}

TEST_F(BenchCliTest, ShowsTables) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Console console{in, out, err};
  console.is_err_terminal = true;
  console.ascii = true;
  console.width = 80;
  EXPECT_EQ(RunCli({"--address", address_, "bench", "double", "--concurrency", "1,2", "--duration", "0.4", "--warm-up",
                    "0.2", "--histogram"},
                   console),
            0);
  EXPECT_THAT(out.str(),
              StartsWith("model double · version 2 · 1 row a request · 0.4 s a step after 0.2 s · 1 connection\n"
                         "\n"
                         "CONCURRENCY  REQUESTS/S  "));
  EXPECT_THAT(out.str(), AllOf(HasSubstr("CONCURRENCY  DEVICE  BATCH ROWS  QUEUE ms  COMPUTE ms"),
                               HasSubstr("cpu        1.00      0.10        2.30  "), HasSubstr(": absent\n"),
                               HasSubstr("\nLatencies at concurrency 1\n"), HasSubstr("\nLatencies at concurrency 2\n"),
                               HasSubstr(" %  #"), Not(HasSubstr("NOT SENT")), Not(HasSubstr("COUNT"))));
  EXPECT_THAT(err.str(), AllOf(HasSubstr("[####"), HasSubstr("bench double")));
}

TEST_F(BenchCliTest, MistakesExitWith2) {
  const std::vector<std::vector<std::string>> kWrong = {
      {"--concurrency", "1", "--rate", "5"},
      {"--concurrency", "none"},
      {"--rate", "0"},
      {"--arrivals", "never"},
      {"--duration", "0"},
      {"--warm-up", "-1"},
      {"--connections", "0"},
      {"--rows", "0"},
      {"--shape", "x:4"},
      {"--shape", "y:4"},
      {"x=[[1, 2, 3]]", "--rows", "2"},
      {"x=[["},
  };
  for (std::vector<std::string> arguments : kWrong) {
    arguments.insert(arguments.begin(), {"bench", "double"});
    const Result run = Run(arguments);
    EXPECT_EQ(run.exit_code, 2) << ::testing::PrintToString(arguments) << run.out;
    EXPECT_THAT(run.err, StartsWith("torchferry: INVALID_ARGUMENT: ")) << ::testing::PrintToString(arguments);
  }
  EXPECT_EQ(inference_.predicts, 0);
}

}  // namespace
}  // namespace torchferry::client
