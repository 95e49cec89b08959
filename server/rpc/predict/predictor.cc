#include "server/rpc/predict/predictor.h"

#include <algorithm>

#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

std::string OutputNames(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "\"" : ", \"") + name + "\"";
  return text;
}

absl::Status UnknownOutput(const std::string& name, const std::vector<std::string>& known) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "unknown output \"{}\"; the model's outputs are {}", name,
                          OutputNames(known));
}

// Before the run, where the outputs' names are known by then.
absl::Status CheckWanted(const tensor::Signature& signature, const std::vector<std::string>& wanted) {
  if (signature.outputs.empty()) return absl::OkStatus();
  std::vector<std::string> known;
  for (const tensor::TensorSpec& spec : signature.outputs) known.push_back(spec.name);
  for (const std::string& name : wanted) {
    if (std::find(known.begin(), known.end(), name) == known.end()) return UnknownOutput(name, known);
  }
  return absl::OkStatus();
}

absl::StatusOr<model::Outputs> Select(model::Outputs outputs, const std::vector<std::string>& wanted) {
  if (wanted.empty()) return outputs;
  model::Outputs selected;
  for (const std::string& name : wanted) {
    const auto it =
        std::find_if(outputs.begin(), outputs.end(), [&](const model::NamedTensor& o) { return o.name == name; });
    if (it == outputs.end()) {
      std::vector<std::string> known;
      for (const model::NamedTensor& output : outputs) known.push_back(output.name);
      return UnknownOutput(name, known);
    }
    selected.push_back(*it);
  }
  return selected;
}

}  // namespace

absl::StatusOr<std::shared_ptr<serving::Servable>> Predictor::Find(const std::string& model, int64_t version,
                                                                   const StreamSessions* stream) const {
  if (model.empty()) {
    return absl::InvalidArgumentError("model_name is empty; name the model to run");
  }
  if (stream != nullptr) {
    FERRY_ASSIGN_OR_RETURN(std::shared_ptr<serving::Servable> kept, stream->Find(model, version));
    if (kept != nullptr) return kept;
  }
  return registry_.Find(model, version);
}

void Predictor::Predict(const std::string& model, int64_t version, absl::StatusOr<Request> decoded,
                        StreamSessions* stream, AnswerCallback done) {
  const base::TimePoint arrived = clock_.Now();
  if (!admission_.Enter(arrived)) {
    return done(absl::UnavailableError("the server is shutting down; try another replica"));
  }
  const absl::StatusOr<std::shared_ptr<serving::Servable>> servable = Find(model, version, stream);
  metrics::ModelMetrics* metrics = servable.ok() ? &(*servable)->metrics() : nullptr;
  if (metrics != nullptr) metrics->InFlight(1);
  // Everything that ends a request passes here once. The servable is kept until then: its metrics are used.
  AnswerCallback finish = [this, arrived, metrics, keep = servable.ok() ? *servable : nullptr,
                           done = std::move(done)](absl::StatusOr<Answer> answer) {
    const std::string code = base::CodeName(answer.status().code());
    const double seconds = base::ToSeconds(clock_.Now() - arrived);
    if (metrics != nullptr) {
      metrics->InFlight(-1);
      metrics->RequestDone(answer.ok() ? answer->result.execution.device : "", code, seconds);
    } else {
      metrics_.UnknownModelRequest(code, seconds);
    }
    done(std::move(answer));
    admission_.Leave();
  };
  if (!servable.ok()) return finish(servable.status());
  if (!decoded.ok()) return finish(decoded.status());
  const absl::Status submitted = Submit(*servable, *std::move(decoded), stream, finish);
  if (!submitted.ok()) finish(submitted);
}

absl::Status Predictor::Submit(std::shared_ptr<serving::Servable> servable, Request request, StreamSessions* stream,
                               AnswerCallback& done) {
  serving::PredictTask task;
  FERRY_ASSIGN_OR_RETURN(task.inputs, tensor::BindInputs(servable->signature(), request.inputs));
  FERRY_RETURN_IF_ERROR(CheckWanted(servable->signature(), request.wanted_outputs));
  if (stream != nullptr) {
    FERRY_ASSIGN_OR_RETURN(task.session, stream->SessionWith(servable, request.version));
  }
  task.deadline = request.deadline;
  task.is_cancelled = std::move(request.is_cancelled);
  task.done = [name = servable->name(), version = servable->version(), wanted = std::move(request.wanted_outputs),
               done = std::move(done)](absl::StatusOr<serving::PredictResult> result) {
    if (!result.ok()) return done(result.status());
    absl::StatusOr<model::Outputs> selected = Select(std::move(result->outputs), wanted);
    if (!selected.ok()) return done(selected.status());
    result->outputs = *std::move(selected);
    done(Answer{name, version, *std::move(result)});
  };
  servable->Submit(std::move(task));
  return absl::OkStatus();
}

}  // namespace torchferry::rpc
