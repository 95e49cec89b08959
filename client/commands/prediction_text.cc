#include "client/commands/prediction_text.h"

#include <algorithm>

#include "client/rpc/errors.h"
#include "client/tensor/array_proto.h"
#include "client/tensor/array_text.h"
#include "client/tensor/json_array.h"
#include "client/text/text.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

// Declared outputs first, in that order.
size_t Rank(const v1::ModelVersion& model, const std::string& name) {
  const auto at = std::find_if(model.outputs().begin(), model.outputs().end(),
                               [&](const v1::TensorSpec& spec) { return spec.name() == name; });
  return static_cast<size_t>(at - model.outputs().begin());
}

}  // namespace

absl::StatusOr<Prediction> Prediction::Read(v1::PredictResponse response, const v1::ModelVersion& model) {
  Prediction prediction;
  for (auto& [name, tensor] : *response.mutable_outputs()) {
    absl::StatusOr<Array> array = FromProto(std::move(tensor));
    if (!array.ok()) {
      return FromServer(base::Annotate(array.status(), fmt::format("the answer's output {}", name)));
    }
    prediction.outputs_.emplace_back(name, *std::move(array));
  }
  response.clear_outputs();
  prediction.response_ = std::move(response);
  std::sort(prediction.outputs_.begin(), prediction.outputs_.end(), [&](const auto& a, const auto& b) {
    return std::pair(Rank(model, a.first), a.first) < std::pair(Rank(model, b.first), b.first);
  });
  return prediction;
}

const Array* Prediction::Find(std::string_view output) const {
  for (const auto& [name, array] : outputs_) {
    if (name == output) return &array;
  }
  return nullptr;
}

std::string Prediction::OutputNames() const {
  std::string names;
  for (const auto& [name, array] : outputs_) names += (names.empty() ? "" : ", ") + name;
  return names;
}

std::string Prediction::Text(const Console& console) const {
  Table table({"OUTPUT", "DTYPE", "SHAPE", "VALUES"});
  for (const auto& [name, array] : outputs_) {
    table.AddRow(
        {Printable(name), std::string(tensor::Name(array.dtype)), tensor::ToString(array.shape), ValuesText(array)});
  }
  const v1::Execution& run = response_.execution();
  std::string text = table.Render(console.color);
  text += fmt::format("device {} · version {} · batch rows {} · queue {} · compute {}\n", Printable(run.device()),
                      response_.model_version(), run.batch_rows(), FormatSeconds(run.queue_seconds()),
                      FormatSeconds(run.compute_seconds()));
  if (run.fallback()) {
    Table warning;
    warning.AddRow(
        {{fmt::format("fallback: not on the device that was asked for, reason {}", Printable(run.fallback_reason())),
          Style::kWarning}});
    text += warning.Render(console.color);
  }
  if (!response_.request_id().empty()) {
    text += fmt::format("request id {}\n", Printable(response_.request_id()));
  }
  return text;
}

std::string Prediction::Line() const {
  std::string line;
  for (const auto& [name, array] : outputs_) {
    line += fmt::format("{}{} {}", line.empty() ? "" : "  ", Printable(name), ValuesText(array));
  }
  return line;
}

nlohmann::ordered_json Prediction::Json() const {
  nlohmann::ordered_json outputs = nlohmann::ordered_json::object();
  for (const auto& [name, array] : outputs_) {
    outputs[name] = {{"dtype", tensor::Name(array.dtype)}, {"shape", array.shape}, {"values", ToJson(array)}};
  }
  const v1::Execution& run = response_.execution();
  return {{"model_name", response_.model_name()},
          {"model_version", response_.model_version()},
          {"request_id", response_.request_id()},
          {"outputs", std::move(outputs)},
          {"execution",
           {{"device", run.device()},
            {"fallback", run.fallback()},
            {"fallback_reason", run.fallback_reason()},
            {"batch_rows", run.batch_rows()},
            {"queue_seconds", run.queue_seconds()},
            {"compute_seconds", run.compute_seconds()}}}};
}

}  // namespace torchferry::client
