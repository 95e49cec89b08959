#include "server/rpc/predict/predictor.h"

#include <algorithm>

#include "server/base/list_text.h"
#include "server/base/status.h"
#include "server/rpc/predict/answer_size.h"
#include "server/rpc/predict/request_builder.h"
#include "server/rpc/predict/top_classes.h"
#include "server/rpc/predict/visible_models.h"
#include "server/rpc/transport/catch_to_status.h"
#include "server/serving/split_request.h"

namespace torchferry::rpc {
namespace {

absl::Status UnknownOutput(const std::string& name, const std::vector<std::string>& known) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "unknown output \"{}\"; the model's outputs are {}", name,
                          base::ListText(known, base::InQuotes));
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

// The outputs of a padded request, to its own length.
void CutPadding(const tensor::PadPlan& plan, const tensor::PaddedLength& length, model::Outputs& outputs) {
  if (length.own == length.padded) return;
  for (const tensor::PadPlan::Output& padded : plan.outputs) {
    const auto it = std::ranges::find(outputs, padded.name, &model::NamedTensor::name);
    if (it == outputs.end()) continue;
    const tensor::Shape& shape = it->tensor.shape;
    if (padded.dimension >= shape.size() || shape[padded.dimension] != length.padded) continue;
    it->tensor = tensor::CutTo(it->tensor, padded.dimension, length.own);
  }
}

}  // namespace

// A request from its arrival to its answer.
struct Predictor::InFlight {
  PredictCall facts;
  Reply reply;
  std::shared_ptr<serving::Servable> servable = nullptr;  // kept until the end, for its metrics too
  std::vector<std::string> wanted = {};
  std::map<std::string, int64_t> top_classes = {};
  tensor::PaddedLength length = {};
  // Until it is answered, before the client can know.
  Flights::Place of_client = {};
  Flights::Place of_model = {};

  absl::StatusOr<Answer> AnswerOf(absl::StatusOr<serving::PredictResult> result, int64_t max_bytes) const {
    if (!result.ok()) return result.status();
    if (servable->pad_plan() != nullptr) CutPadding(*servable->pad_plan(), length, result->outputs);
    FERRY_ASSIGN_OR_RETURN(result->outputs, Select(std::move(result->outputs), wanted));
    Answer answer{servable->name(), servable->version(), *std::move(result)};
    if (!top_classes.empty()) FERRY_RETURN_IF_ERROR(TakeTopClasses(max_bytes, answer));
    FERRY_RETURN_IF_ERROR(CheckAnswerSize(answer.result.outputs, max_bytes));
    return answer;
  }

 private:
  absl::Status TakeTopClasses(int64_t max_bytes, Answer& answer) const {
    for (model::NamedTensor& output : answer.result.outputs) {
      const auto count = top_classes.find(output.name);
      if (count == top_classes.end()) continue;
      FERRY_ASSIGN_OR_RETURN(output.tensor, TopClasses(output, count->second, servable->signature().HasBatchDimension(),
                                                       servable->labels(output.name), max_bytes));
    }
    return absl::OkStatus();
  }
};

absl::StatusOr<std::shared_ptr<serving::Servable>> Predictor::Find(const identity::Caller& caller,
                                                                   const std::string& model, int64_t version,
                                                                   const StreamSessions* stream) const {
  if (model.empty()) {
    return absl::InvalidArgumentError("model_name is empty; name the model to run");
  }
  FERRY_RETURN_IF_ERROR(CheckNameLength("model_name", model));
  FERRY_RETURN_IF_ERROR(caller.CheckModel(model));
  if (stream != nullptr) {
    FERRY_ASSIGN_OR_RETURN(std::shared_ptr<serving::Servable> kept, stream->Find(model, version));
    if (kept != nullptr) return kept;
  }
  return FindFor(caller, registry_, model, version);
}

bool Predictor::IsStateful(const identity::Caller& caller, const std::string& model, int64_t version,
                           const StreamSessions& stream) const {
  const absl::StatusOr<std::shared_ptr<serving::Servable>> found = Find(caller, model, version, &stream);
  return found.ok() && (*found)->is_stateful();
}

void Predictor::Predict(const RequestHead& head, absl::StatusOr<Request> request, StreamSessions* stream, Reply reply) {
  const auto call = std::make_shared<InFlight>(InFlight{{.head = head}, std::move(reply)});
  call->facts.version = request.ok() ? request->version : 0;
  call->facts.arrived = clock_.Now();
  call->facts.is_admitted = admission_.Enter(call->facts.arrived);
  absl::StatusOr<std::shared_ptr<serving::Servable>> found =
      call->facts.is_admitted ? Find(head.caller, head.model, call->facts.version, stream)
                              : absl::UnavailableError("the server is shutting down; try another replica");
  absl::Status status = found.status();
  if (status.ok()) call->servable = *std::move(found);
  call->facts.servable = call->servable.get();
  for (CallObserver* observer : observers_) observer->OnBegin(call->facts);
  if (status.ok()) status = request.status();
  if (status.ok()) status = Submit(call, *std::move(request), stream);
  if (!status.ok()) End(*call, status);
}

absl::StatusOr<Flights::Place> Predictor::EnterStream(const identity::Caller& caller) {
  if (limits_.client.streams == 0) return Flights::Place();
  absl::StatusOr<Flights::Place> place =
      flights_.Enter(FlightOf::kClient, caller.Client(), limits_.client, {.streams = 1});
  if (place.ok()) return place;
  for (CallObserver* observer : observers_) observer->OnStreamRefused(place.status());
  return place;
}

absl::Status Predictor::TakePlaces(InFlight& call, const Request& request, StreamSessions* stream) {
  const serving::FlightLimits& of_model = call.servable->flight_limits();
  if (stream != nullptr) FERRY_RETURN_IF_ERROR(stream->TakePlace(flights_, call.servable->name(), of_model));
  if (!limits_.client.BoundsRequests() && !of_model.BoundsRequests()) return absl::OkStatus();
  FlightLoad load = {.requests = 1};
  for (const auto& [name, tensor] : request.inputs) load.bytes += static_cast<int64_t>(tensor.bytes.size());
  if (limits_.client.BoundsRequests()) {
    FERRY_ASSIGN_OR_RETURN(call.of_client,
                           flights_.Enter(FlightOf::kClient, call.facts.head.caller.Client(), limits_.client, load));
  }
  if (of_model.BoundsRequests()) {
    FERRY_ASSIGN_OR_RETURN(call.of_model, flights_.Enter(FlightOf::kModel, call.servable->name(), of_model, load));
  }
  return absl::OkStatus();
}

absl::Status Predictor::Submit(const std::shared_ptr<InFlight>& call, Request request, StreamSessions* stream) {
  serving::Servable& servable = *call->servable;
  if (request.names_sequence && servable.is_stateful()) {
    return absl::UnimplementedError(
        "the parameter sequence_id: a stateful model's state belongs to a ModelStreamInfer stream, which begins with "
        "the file's state. Open one stream for each sequence, and leave sequence_id out");
  }
  FERRY_RETURN_IF_ERROR(TakePlaces(*call, request, stream));
  if (servable.pad_plan() != nullptr) {
    FERRY_ASSIGN_OR_RETURN(call->length, tensor::PadInputs(*servable.pad_plan(), limits_.answer_bytes,
                                                           call->reply.reserve, request.inputs));
  }
  serving::PredictTask task;
  FERRY_ASSIGN_OR_RETURN(task.priority, servable.PriorityOf(request.priority));
  FERRY_ASSIGN_OR_RETURN(task.inputs, tensor::BindInputs(servable.signature(), request.inputs));
  const int64_t max_rows = servable.signature().max_batch_size;
  const bool is_oversized = max_rows > 0 && task.inputs.rows > max_rows;
  if (is_oversized && servable.is_stateful()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "the request has {} rows; expected 1 to {}: a stateful model's requests are not split",
                            task.inputs.rows, max_rows);
  }
  FERRY_RETURN_IF_ERROR(CheckWanted(servable.signature(), request.wanted_outputs));
  if (stream != nullptr) {
    FERRY_ASSIGN_OR_RETURN(task.session, stream->SessionWith(call->servable, request.version));
  }
  task.deadline = request.deadline;
  task.is_cancelled = std::move(request.is_cancelled);
  task.keep = std::move(call->reply.keep);
  call->wanted = std::move(request.wanted_outputs);
  call->top_classes = std::move(request.top_classes);
  task.done = [this, call](absl::StatusOr<serving::PredictResult> result) {
    End(*call, call->AnswerOf(std::move(result), limits_.answer_bytes));
  };
  if (is_oversized) {
    serving::SubmitInParts(servable, std::move(task), max_rows, limits_.answer_bytes);
  } else {
    servable.Submit(std::move(task));
  }
  return absl::OkStatus();
}

// Everything that ends a request passes here once.
void Predictor::End(InFlight& call, const absl::StatusOr<Answer>& answer) {
  const absl::Status status = answer.ok() ? CatchToStatus([&] { return call.reply.encode(*answer); }) : answer.status();
  const std::string_view device = answer.ok() ? std::string_view(answer->result.execution.device) : "";
  const PredictEnd end = {status, device, clock_.Now() - call.facts.arrived};
  for (CallObserver* observer : observers_) observer->OnEnd(call.facts, end);
  call.of_client.Leave();
  call.of_model.Leave();
  call.reply.send(status);
  if (call.facts.is_admitted) admission_.Leave();
}

}  // namespace torchferry::rpc
