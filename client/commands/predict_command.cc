// `predict`: learn what the model takes, make its inputs, call, print.
#include <memory>
#include <ostream>
#include <set>
#include <utility>

#include "client/commands/commands.h"
#include "client/commands/flags.h"
#include "client/commands/model_ref.h"
#include "client/commands/predict_options.h"
#include "client/commands/predict_stream.h"
#include "client/commands/prediction_text.h"
#include "client/commands/ready_version.h"
#include "client/tensor/array_proto.h"
#include "client/tensor/file.h"
#include "client/tensor/npy.h"
#include "client/tensor/request_inputs.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

struct SaveArgument {
  std::string output;
  std::string path;
};

absl::StatusOr<std::vector<SaveArgument>> ParseSaveArguments(const PredictOptions& options) {
  const std::set<std::string> wanted(options.outputs.begin(), options.outputs.end());
  std::vector<SaveArgument> saves;
  for (const std::string& text : options.save) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--save \"{}\" is not OUTPUT=FILE.npy", text);
    }
    saves.push_back({text.substr(0, equals), text.substr(equals + 1)});
    if (!wanted.empty() && !wanted.contains(saves.back().output)) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--save names output {}, which --output leaves out",
                              saves.back().output);
    }
  }
  return saves;
}

absl::Status Save(const std::vector<SaveArgument>& saves, const Prediction& prediction, const Console& console) {
  for (const SaveArgument& save : saves) {
    const Array* output = prediction.Find(save.output);
    if (output == nullptr) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--save names output {}, but the model gives {}",
                              save.output, prediction.OutputNames());
    }
    Array array = *output;
    if (array.dtype == tensor::DType::kBf16) {
      PrintNote(console, fmt::format("output {}: saved as float32, numpy has no BF16", save.output));
      FERRY_ASSIGN_OR_RETURN(array, Cast(array, tensor::DType::kFp32));
    }
    FERRY_ASSIGN_OR_RETURN(const std::string bytes, FormatNpy(array));
    FERRY_RETURN_IF_ERROR(WriteFile(save.path, bytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Predict(const PredictOptions& options, Connection& connection, const Console& console) {
  FERRY_ASSIGN_OR_RETURN(const ModelRef ref, ParseModelRef(options.model));
  FERRY_ASSIGN_OR_RETURN(const std::vector<SaveArgument> saves, ParseSaveArguments(options));
  FERRY_ASSIGN_OR_RETURN(const v1::ModelVersion model, FindReadyVersion(ref, connection));

  v1::PredictRequest request;
  request.set_model_name(ref.name);
  request.set_model_version(ref.version);
  request.set_request_id(options.request_id);
  request.mutable_outputs()->Add(options.outputs.begin(), options.outputs.end());
  FERRY_ASSIGN_OR_RETURN(NamedArrays inputs, ResolveInputs(options.inputs, options.seed, model, console));
  for (auto& [name, array] : inputs) (*request.mutable_inputs())[name] = ToProto(std::move(array));

  FERRY_ASSIGN_OR_RETURN(v1::PredictResponse response, connection.Predict(request));
  FERRY_ASSIGN_OR_RETURN(const Prediction prediction, Prediction::Read(std::move(response), model));
  console.out << (console.json ? DumpJson(prediction.Json()) : prediction.Text(console));
  FERRY_RETURN_IF_ERROR(Save(saves, prediction, console));
  return ExitCode::kOk;
}

void AddFlags(CLI::App& command, PredictOptions& options) {
  AddModelArgument(command, options.model, "The model; without a version the newest that is ready");
  command
      .add_option("inputs", options.inputs,
                  "One for each input of the model.\n"
                  "  NAME=@FILE.npy     a numpy file (@- is standard input).\n"
                  "  NAME=@FILE.json    nested lists.\n"
                  "  NAME=[[1, 2.5]]    JSON; \"NaN\" and \"Infinity\" in quotes.\n"
                  "  NAME=random        generated values in the declared shape.\n"
                  "  NAME=random[2,3]   the same, in this shape.\n"
                  "  NAME:FP32=…        as this dtype instead of the declared one")
      ->type_name("NAME=VALUE");
  AddList(command, "--output", options.outputs, "Only this output (may be repeated)", "NAME");
  AddList(command, "--save", options.save, "Write this output to a .npy file (may be repeated)", "NAME=FILE");
  command.add_option("--request-id", options.request_id, "Sent with the request and echoed in the answer")
      ->type_name("ID");
  command.add_option("--seed", options.seed, "Seed of NAME=random")->type_name("NUMBER");
  command.add_flag(
      "--stream", options.stream,
      "One request for each step along the first dimension of the inputs, over one stream. An input of one element "
      "goes with each step. A stateful model keeps its state from step to step. No deadline without --timeout");
}

}  // namespace

void AddPredict(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("predict", "Run a model on inputs");
  const auto options = std::make_shared<PredictOptions>();
  AddFlags(*command, *options);
  command->footer(
      "Examples:\n"
      "  torchferry predict crepe_tiny frames=@tone.npy\n"
      "  torchferry predict crepe_tiny:1 frames=random --output pitch_hz --json\n"
      "  torchferry predict silero_vad x=@speech.npy sr=16000 --stream");
  command->callback([options, &invocation] {
    invocation.may_last = options->stream;
    invocation.run = [options](Connection& connection, const Console& console) {
      return options->stream ? PredictStream(*options, connection, console) : Predict(*options, connection, console);
    };
  });
}

}  // namespace torchferry::client
