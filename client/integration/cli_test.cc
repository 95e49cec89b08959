// The whole CLI against an in-process server that answers from a script.
#include "client/cli.h"

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "client/file.h"
#include "client/json_array.h"
#include "client/npy.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "torchferry/v1/inference.grpc.pb.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::json;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

v1::TensorSpec Spec(const std::string& name, const Shape& shape) {
  v1::TensorSpec spec;
  spec.set_name(name);
  spec.set_dtype(v1::DATA_TYPE_FP32);
  spec.set_has_shape(true);
  spec.mutable_shape()->Add(shape.begin(), shape.end());
  spec.set_kind("tensor");
  return spec;
}

v1::ModelVersion Version(const std::string& name, int64_t number, v1::ModelState state) {
  v1::ModelVersion version;
  version.set_model_name(name);
  version.set_model_version(number);
  version.set_state(state);
  return version;
}

v1::ModelVersion ReadyDouble() {
  v1::ModelVersion version = Version("double", 2, v1::MODEL_STATE_READY);
  *version.add_inputs() = Spec("x", {-1, 3});
  *version.add_outputs() = Spec("y", {-1, 3});
  version.set_max_batch_size(8);
  version.mutable_file()->set_path("double/2/model.pt");
  version.mutable_file()->set_format("torchscript");
  version.mutable_placement()->set_device("cpu");
  version.mutable_placement()->set_requested_device("cuda:1");
  version.mutable_placement()->set_fallback(true);
  version.mutable_placement()->set_fallback_reason("absent");
  return version;
}

v1::ModelVersion FailedBroken() {
  v1::ModelVersion version = Version("broken", 1, v1::MODEL_STATE_FAILED);
  version.set_error_code(grpc::DATA_LOSS);
  version.set_error_message("model.pt is truncated:\n    the directory lacks its end");
  return version;
}

// "double" 2 is ready and doubles x; 1 loads; "broken" failed.
class FakeInference final : public v1::InferenceService::Service {
 public:
  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override {
    *response->add_versions() = FailedBroken();
    *response->add_versions() = Version("double", 1, v1::MODEL_STATE_LOADING);
    *response->add_versions() = ReadyDouble();
    return grpc::Status::OK;
  }

  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest* request,
                        v1::GetModelResponse* response) override {
    if (request->model_name() == "broken") {
      *response->add_versions() = FailedBroken();
    } else if (request->model_name() == "double" && request->model_version() == 1) {
      *response->add_versions() = Version("double", 1, v1::MODEL_STATE_LOADING);
    } else if (request->model_name() == "double" && request->model_version() != 9) {
      *response->add_versions() = ReadyDouble();
    } else {
      return {grpc::NOT_FOUND, "no model \"" + request->model_name() + "\""};
    }
    return grpc::Status::OK;
  }

  grpc::Status Predict(grpc::ServerContext*, const v1::PredictRequest* request,
                       v1::PredictResponse* response) override {
    if (!request->inputs().contains("x")) return {grpc::INVALID_ARGUMENT, "input x is missing"};
    if (request->request_id() == "slow") {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
    Array x = FromProto(request->inputs().at("x")).value();
    Array y{x.dtype, x.shape, {}};
    for (int64_t i = 0; i < ElementCount(x.shape).value(); ++i) {
      (void)AppendElement(2 * std::get<double>(GetElement(x, i)), &y);
    }
    response->set_model_name("double");
    response->set_model_version(2);
    response->set_request_id(request->request_id());
    (*response->mutable_outputs())["y"] = ToProto(y);
    if (request->request_id() == "lies") (*response->mutable_outputs())["y"].set_shape(0, 99);
    v1::Execution* run = response->mutable_execution();
    run->set_device("cpu");
    run->set_fallback(true);
    run->set_fallback_reason("absent");
    run->set_batch_rows(x.shape[0]);
    run->set_queue_seconds(0.0001);
    run->set_compute_seconds(0.0023);
    return grpc::Status::OK;
  }

  // Predict for each request; a first element of -1 is answered with INVALID_ARGUMENT, and one of
  // -2 ends the stream.
  grpc::Status PredictStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::PredictStreamResponse, v1::PredictRequest>* stream) override {
    v1::PredictRequest request;
    while (stream->Read(&request)) {
      const Array x = FromProto(request.inputs().at("x")).value();
      const double first = std::get<double>(GetElement(x, 0));
      if (first == -2) break;
      v1::PredictStreamResponse answer;
      if (first == -1) {
        answer.set_error_code(grpc::INVALID_ARGUMENT);
        answer.set_error_message("x is negative");
      } else {
        (void)Predict(context, &request, answer.mutable_response());
      }
      stream->Write(answer);
    }
    return grpc::Status::OK;
  }
};

class FakeHealth final : public grpc::health::v1::Health::Service {
 public:
  grpc::Status Check(grpc::ServerContext*, const HealthCheckRequest* request,
                     HealthCheckResponse* response) override {
    if (request->service() == "model/nope") return {grpc::NOT_FOUND, "no model \"nope\""};
    response->set_status(request->service() == "model/broken" ? HealthCheckResponse::NOT_SERVING
                                                              : HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  }

  grpc::Status Watch(grpc::ServerContext* context, const HealthCheckRequest*,
                     grpc::ServerWriter<HealthCheckResponse>* writer) override {
    HealthCheckResponse response;
    for (const auto status : {HealthCheckResponse::SERVICE_UNKNOWN, HealthCheckResponse::SERVING,
                              HealthCheckResponse::SERVING, HealthCheckResponse::NOT_SERVING}) {
      response.set_status(status);
      writer->Write(response);
    }
    while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return grpc::Status::CANCELLED;
  }
};

struct Result {
  int exit_code;
  std::string out;
  std::string err;
};

class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&inference_);
    builder.RegisterService(&health_);
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
    folder_ = std::filesystem::temp_directory_path() /
              ("torchferry_cli_test_" + std::to_string(getpid()) + "_" + std::to_string(port));
    std::filesystem::create_directories(folder_);
  }

  ~CliTest() override {
    server_->Shutdown(std::chrono::system_clock::now());
    std::filesystem::remove_all(folder_);
  }

  // Arguments, then standard input.
  Result Run(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), {"--address", address_});
    return RunAlone(std::move(arguments), input);
  }

  static Result RunAlone(std::vector<std::string> arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    const int exit_code = RunCli(std::move(arguments), Console{in, out, err});
    return {exit_code, out.str(), err.str()};
  }

  std::string WriteNpy(const std::string& name, std::string_view json, DType dtype) {
    const std::string path = folder_ / name;
    EXPECT_TRUE(WriteFile(path, FormatNpy(*ParseJsonArray(json, dtype)).value()).ok());
    return path;
  }

  FakeInference inference_;
  FakeHealth health_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::filesystem::path folder_;
};

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
  const Result run =
      Run({"predict", "double:2", "x=[[0.05, 2, 3]]", "--request-id", "a-7", "--json"});
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
  const std::string input = WriteNpy("x.npy", "[1, 2, 3]", DType::kFp64);
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
  const Result run =
      Run({"predict", "double", "x=[[1, 2, 3], [-1, 0, 0], [4, 5, 6]]", "--stream", "--json"});
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
  const Result run =
      Run({"predict", "double", "x=[[[1, 2, 3]], [[-1, 0, 0]], [[4, 5, 6]]]", "--stream"});
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
  const Result save =
      Run({"predict", "double", "x=[[[1, 2, 3]]]", "--stream", "--save", "y=y.npy"});
  EXPECT_EQ(save.exit_code, 2);
  EXPECT_THAT(save.err, HasSubstr("--save"));
  const Result differ =
      Run({"predict", "double", "x=[[[1, 2, 3]], [[1, 2, 3]]]", "n=[[1], [2], [3]]", "--stream"});
  EXPECT_EQ(differ.exit_code, 2);
  EXPECT_THAT(differ.err, HasSubstr("n has 3 steps"));
}

TEST_F(CliTest, PredictReadsStandardInputOnce) {
  const std::string bytes = FormatNpy(*ParseJsonArray("[[1, 2, 3]]", DType::kFp32)).value();
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
  EXPECT_EQ(run.err,
            "torchferry: NOT_FOUND: model \"nope\" is not in the store; it has: broken, double\n");
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

TEST_F(CliTest, ServerErrorsExitWith1AndJsonOnDemand) {
  const Result run = Run({"predict", "double", "z=[1]", "--json"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out, IsEmpty());
  const Json error = Json::parse(run.err)["error"];
  EXPECT_EQ(error["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(error["message"], "input x is missing");
}

TEST_F(CliTest, AnAnswerThatDisagreesWithItselfIsAnError) {
  const Result run = Run({"predict", "double", "x=[[1,2,3]]", "--request-id", "lies"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("INTERNAL: the answer's output y: holds 12 bytes"));
}

TEST_F(CliTest, DeadlineExitsWith4) {
  const Result run =
      Run({"predict", "double", "x=[[1,2,3]]", "--request-id", "slow", "--timeout", "0.1"});
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
  for (const char* part : {"double/2/model.pt", "torchscript", "[-1, 3]", "cuda:1", "absent",
                           "up to 8 rows", "READY"}) {
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
  for (std::string line; std::getline(lines, line);)
    statuses.push_back(Json::parse(line)["status"]);
  EXPECT_EQ(statuses, (std::vector<std::string>{"SERVICE_UNKNOWN", "SERVING", "NOT_SERVING"}));
}

TEST_F(CliTest, HelpNamesCommandsAndExitCodes) {
  const Result help = RunAlone({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* part : {"predict", "models", "health", "TORCHFERRY_ADDRESS", "Exit codes"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
  EXPECT_THAT(RunAlone({"predict", "--help"}).out, HasSubstr("NAME=@FILE.npy"));
  EXPECT_THAT(RunAlone({"--version"}).out, StartsWith("torchferry "));
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
