#include "client/commands/predict_inputs.h"

#include <set>

#include "client/file.h"
#include "client/tensor/input_argument.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

// Why the version that is meant cannot answer, as the server told of it.
absl::Status NotReady(const v1::ModelVersion& version) {
  const std::string which = fmt::format("model {} version {}", version.model_name(), version.model_version());
  if (version.state() == v1::MODEL_STATE_FAILED) {
    return FromServer(base::MakeStatus(absl::StatusCode::kFailedPrecondition, "{} failed to load: {}", which,
                                       version.error_message()));
  }
  const bool is_unloading = version.state() == v1::MODEL_STATE_UNLOADING;
  return FromServer(base::MakeStatus(absl::StatusCode::kUnavailable, "{} is {}", which,
                                     is_unloading ? "unloading" : "still loading: try again"));
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

}  // namespace

absl::StatusOr<v1::ModelVersion> FindReadyVersion(const ModelRef& ref, Connection& connection) {
  FERRY_ASSIGN_OR_RETURN(v1::GetModelResponse response, connection.GetModel(ref.name, ref.version));
  for (v1::ModelVersion& version : *response.mutable_versions()) {
    if (version.state() == v1::MODEL_STATE_READY) return std::move(version);
  }
  if (response.versions_size() > 0) return NotReady(response.versions(0));
  return FromServer(base::MakeStatus(absl::StatusCode::kNotFound, "model {} has no versions", ref.name));
}

absl::StatusOr<NamedArrays> ResolveInputs(const PredictOptions& options, const v1::ModelVersion& model,
                                          const Console& console) {
  std::mt19937_64 random(options.seed ? *options.seed : std::random_device()());
  FileReader reader(console.in);
  const InputSources sources{[&](const std::string& path) { return reader.Read(path); }, &random};
  NamedArrays inputs;
  std::set<std::string> names;
  for (const std::string& text : options.inputs) {
    FERRY_ASSIGN_OR_RETURN(const InputArgument argument, ParseInputArgument(text, model));
    if (!names.insert(argument.name).second) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "input {} is given twice", argument.name);
    }
    FERRY_ASSIGN_OR_RETURN(ResolvedInput input, ResolveInput(argument, model, sources));
    for (const std::string& note : input.notes) {
      PrintNote(console, fmt::format("input {}: {}", argument.name, note));
    }
    inputs.emplace_back(argument.name, std::move(input.array));
  }
  return inputs;
}

}  // namespace torchferry::client
