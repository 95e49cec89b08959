// `predict`: learn what the model takes, make its inputs, call, print.
#include <ostream>
#include <set>
#include <utility>

#include "client/commands.h"
#include "client/file.h"
#include "client/input_argument.h"
#include "client/model_ref.h"
#include "client/npy.h"
#include "client/prediction_text.h"
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
      return MakeStatus(absl::StatusCode::kInvalidArgument, "--save \"{}\" is not OUTPUT=FILE.npy",
                        text);
    }
    saves.push_back({text.substr(0, equals), text.substr(equals + 1)});
    if (!wanted.empty() && !wanted.contains(saves.back().output)) {
      return MakeStatus(absl::StatusCode::kInvalidArgument,
                        "--save names output {}, which --output leaves out", saves.back().output);
    }
  }
  return saves;
}

// Why the version that is meant cannot answer, as the server told of it.
absl::Status NotReady(const v1::ModelVersion& version) {
  const std::string which =
      fmt::format("model {} version {}", version.model_name(), version.model_version());
  if (version.state() == v1::MODEL_STATE_FAILED) {
    return FromServer(MakeStatus(absl::StatusCode::kFailedPrecondition, "{} failed to load: {}",
                                 which, version.error_message()));
  }
  const bool is_unloading = version.state() == v1::MODEL_STATE_UNLOADING;
  return FromServer(MakeStatus(absl::StatusCode::kUnavailable, "{} is {}", which,
                               is_unloading ? "unloading" : "still loading: try again"));
}

// The version that will answer: the newest READY one.
absl::StatusOr<v1::ModelVersion> FindVersion(const ModelRef& ref, Connection& connection) {
  TF_ASSIGN_OR_RETURN(v1::GetModelResponse response, connection.GetModel(ref.name, ref.version));
  for (v1::ModelVersion& version : *response.mutable_versions()) {
    if (version.state() == v1::MODEL_STATE_READY) return std::move(version);
  }
  if (response.versions_size() > 0) return NotReady(response.versions(0));
  return FromServer(MakeStatus(absl::StatusCode::kNotFound, "model {} has no versions", ref.name));
}

// Standard input once, and that for one input.
class FileReader {
 public:
  explicit FileReader(std::istream& in) : in_(in) {}

  absl::StatusOr<std::string> Read(const std::string& path) {
    if (path != "-") return ReadFile(path);
    if (std::exchange(has_read_input_, true)) {
      return absl::InvalidArgumentError("@- is standard input, which just one input can read");
    }
    return ReadStream(in_);
  }

 private:
  std::istream& in_;
  bool has_read_input_ = false;
};

absl::Status AddInputs(const PredictOptions& options, const v1::ModelVersion& model,
                       const Console& console, v1::PredictRequest* request) {
  std::mt19937_64 random(options.seed ? *options.seed : std::random_device()());
  FileReader reader(console.in);
  const InputSources sources{[&](const std::string& path) { return reader.Read(path); }, &random};
  for (const std::string& text : options.inputs) {
    TF_ASSIGN_OR_RETURN(const InputArgument argument, ParseInputArgument(text, model));
    if (request->inputs().contains(argument.name)) {
      return MakeStatus(absl::StatusCode::kInvalidArgument, "input {} is given twice",
                        argument.name);
    }
    TF_ASSIGN_OR_RETURN(ResolvedInput input, ResolveInput(argument, model, sources));
    for (const std::string& note : input.notes) {
      PrintNote(console, fmt::format("input {}: {}", argument.name, note));
    }
    (*request->mutable_inputs())[argument.name] = ToProto(std::move(input.array));
  }
  return absl::OkStatus();
}

absl::Status Save(const std::vector<SaveArgument>& saves, const Prediction& prediction,
                  const Console& console) {
  for (const SaveArgument& save : saves) {
    const Array* output = prediction.Find(save.output);
    if (output == nullptr) {
      return MakeStatus(absl::StatusCode::kInvalidArgument,
                        "--save names output {}, but the model gives {}", save.output,
                        prediction.OutputNames());
    }
    Array array = *output;
    if (array.dtype == DType::kBf16) {
      PrintNote(console,
                fmt::format("output {}: saved as float32, numpy has no BF16", save.output));
      TF_ASSIGN_OR_RETURN(array, Cast(array, DType::kFp32));
    }
    TF_ASSIGN_OR_RETURN(const std::string bytes, FormatNpy(array));
    TF_RETURN_IF_ERROR(WriteFile(save.path, bytes));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ExitCode> Predict(const PredictOptions& options, Connection& connection,
                                 const Console& console) {
  TF_ASSIGN_OR_RETURN(const ModelRef ref, ParseModelRef(options.model));
  TF_ASSIGN_OR_RETURN(const std::vector<SaveArgument> saves, ParseSaveArguments(options));
  TF_ASSIGN_OR_RETURN(const v1::ModelVersion model, FindVersion(ref, connection));

  v1::PredictRequest request;
  request.set_model_name(ref.name);
  request.set_model_version(ref.version);
  request.set_request_id(options.request_id);
  request.mutable_outputs()->Add(options.outputs.begin(), options.outputs.end());
  TF_RETURN_IF_ERROR(AddInputs(options, model, console, &request));

  TF_ASSIGN_OR_RETURN(v1::PredictResponse response, connection.Predict(request));
  TF_ASSIGN_OR_RETURN(const Prediction prediction, Prediction::Read(std::move(response), model));
  console.out << (console.json ? DumpJson(prediction.Json()) : prediction.Text(console));
  TF_RETURN_IF_ERROR(Save(saves, prediction, console));
  return ExitCode::kOk;
}

}  // namespace torchferry::client
