#include "client/commands/model_text.h"

#include <absl/status/status.h>
#include <fmt/format.h>

#include <vector>

#include "client/tensor/array.h"
#include "client/text/text.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using Json = nlohmann::ordered_json;
using v1::ModelVersion;
using v1::TensorSpec;

std::string StateName(v1::ModelState state) {
  constexpr std::string_view kPrefix = "MODEL_STATE_";
  const std::string name = v1::ModelState_Name(state);
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : "UNKNOWN";
}

Style StyleOf(v1::ModelState state) {
  switch (state) {
    case v1::MODEL_STATE_READY:
      return Style::kGood;
    case v1::MODEL_STATE_FAILED:
      return Style::kBad;
    default:
      return Style::kWarning;
  }
}

std::string ErrorCodeName(const ModelVersion& version) {
  return base::CodeName(static_cast<absl::StatusCode>(version.error_code()));
}

std::string DTypeName(v1::DataType number) {
  const tensor::DType dtype = FromProto(number);
  return dtype == tensor::DType::kInvalid ? "any" : std::string(Name(dtype));
}

tensor::Shape ShapeOf(const TensorSpec& spec) { return {spec.shape().begin(), spec.shape().end()}; }

std::string VersionText(const ModelVersion& version) {
  return version.model_version() == 0 ? "-" : std::to_string(version.model_version());
}

// What a fallback was from; older servers do not say it.
const std::string& From(const v1::Placement& placement) {
  return placement.fallback_from().empty() ? placement.requested_device() : placement.fallback_from();
}

Cell Reason(const ModelVersion& version) {
  if (version.state() == v1::MODEL_STATE_FAILED) return {ErrorCodeName(version), Style::kBad};
  if (version.placement().fallback()) {
    return {fmt::format("fallback from {}: {}", Printable(From(version.placement())),
                        Printable(version.placement().fallback_reason())),
            Style::kWarning};
  }
  return "";
}

// "Model NAME, version 1: DATA_LOSS" and the message.
std::string Failure(const ModelVersion& version, const Console& console) {
  return fmt::format("Model {}{}: {}\n{}", Printable(version.model_name()),
                     version.model_version() == 0 ? "" : ", version " + VersionText(version), ErrorCodeName(version),
                     Wrap(Printable(version.error_message(), true), console.width, 2));
}

std::string SpecTable(std::string_view heading, const google::protobuf::RepeatedPtrField<TensorSpec>& specs,
                      const Console& console) {
  Table table({std::string(heading), "DTYPE", "SHAPE", "KIND"});
  for (const TensorSpec& spec : specs) {
    table.AddRow({Printable(spec.name()), DTypeName(spec.dtype()),
                  spec.has_shape() ? tensor::ToString(ShapeOf(spec)) : "any",
                  Printable(spec.kind()) + (spec.optional() ? ", may be left out" : "")});
  }
  return table.Render(console.color);
}

std::string Join(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  return Printable(fmt::format("{}", fmt::join(texts, ", ")));
}

std::string Batching(const ModelVersion& version) {
  if (version.max_batch_size() == 0) return "no batch dimension";
  return fmt::format("up to {} rows, requests {}", version.max_batch_size(),
                     version.dynamic_batching() ? "batched together" : "not batched together");
}

void AddIfKnown(Table* table, const char* key, const std::string& value) {
  if (!value.empty()) table->AddRow({key, Printable(value)});
}

void AddFile(const v1::ModelFile& file, Table* table) {
  AddIfKnown(table, "file", file.path());
  AddIfKnown(table, "format", file.format());
  AddIfKnown(table, "architecture", file.architecture());
  AddIfKnown(table, "state_dict", file.state_dict_key());
  AddIfKnown(table, "removed", Join(file.removed_prefixes()));
  AddIfKnown(table, "producer", file.producer());
  AddIfKnown(table, "saved devices", Join(file.saved_devices()));
  AddIfKnown(table, "saved dtypes", Join(file.saved_dtypes()));
  if (file.size_bytes() > 0) table->AddRow({"size", FormatBytes(file.size_bytes())});
  AddIfKnown(table, "sha256", file.sha256());
}

void AddPlacement(const v1::Placement& placement, Table* table) {
  AddIfKnown(table, "device", placement.device());
  AddIfKnown(table, "requested", placement.requested_device());
  if (placement.fallback()) {
    table->AddRow({"fallback",
                   {fmt::format("yes, from {}: {}", Printable(From(placement)), Printable(placement.fallback_reason())),
                    Style::kWarning}});
  }
  AddIfKnown(table, "precision", placement.precision());
  if (placement.has_precision_deviation()) {
    table->AddRow(
        {"deviation", fmt::format("{:.1e} of the largest output, from FP32", placement.precision_deviation())});
  }
  if (placement.rewritten_constants() > 0) {
    table->AddRow({"rewritten", fmt::format("{} constants of its code", placement.rewritten_constants())});
  }
  if (placement.has_tuning()) {
    const v1::Tuning& tuning = placement.tuning();
    table->AddRow({"tuned", fmt::format("{}, intra-op threads {}, batches up to {} rows: {:.1f} rows/s ({}: {:.1f}){}",
                                        Printable(tuning.variant()), tuning.intra_op_threads(), tuning.batch_rows(),
                                        tuning.rows_per_second(), Printable(tuning.baseline()),
                                        tuning.baseline_rows_per_second(), tuning.kept() ? ", kept from before" : "")});
  }
  for (const std::string& decision : placement.decisions()) {
    table->AddRow({"decided", Printable(decision)});
  }
}

std::string VersionDetails(const ModelVersion& version, const Console& console) {
  Table table;
  table.AddRow({"model", {Printable(version.model_name()), Style::kHeading}});
  table.AddRow({"version", VersionText(version)});
  table.AddRow({"state", {StateName(version.state()), StyleOf(version.state())}});
  AddFile(version.file(), &table);
  AddPlacement(version.placement(), &table);
  const bool is_ready = version.state() == v1::MODEL_STATE_READY;
  if (is_ready) {
    table.AddRow({"batching", Batching(version)});
    if (version.stateful()) {
      table.AddRow({"stateful", "yes, a stream keeps its state between requests"});
    }
    table.AddRow({"loaded in", FormatSeconds(version.load_seconds())});
  }
  std::string text = table.Render(console.color);
  if (version.inputs_size() > 0) text += "\n" + SpecTable("INPUT", version.inputs(), console);
  if (version.outputs_size() > 0) {
    text += "\n" + SpecTable("OUTPUT", version.outputs(), console);
  } else if (is_ready) {
    text += "\nOutputs are not declared.\n";
  }
  if (version.error_code() != 0) text += "\n" + Failure(version, console);
  return text;
}

Json ToJson(const google::protobuf::RepeatedPtrField<TensorSpec>& specs) {
  Json list = Json::array();
  for (const TensorSpec& spec : specs) {
    Json entry = {{"name", spec.name()}, {"kind", spec.kind()}, {"optional", spec.optional()}};
    entry["dtype"] = FromProto(spec.dtype()) == tensor::DType::kInvalid ? Json() : Json(DTypeName(spec.dtype()));
    entry["shape"] = spec.has_shape() ? Json(ShapeOf(spec)) : Json();
    list.push_back(std::move(entry));
  }
  return list;
}

Json ToJson(const v1::ModelFile& file) {
  return {
      {"path", file.path()},
      {"format", file.format()},
      {"producer", file.producer()},
      {"saved_devices", std::vector<std::string>(file.saved_devices().begin(), file.saved_devices().end())},
      {"saved_dtypes", std::vector<std::string>(file.saved_dtypes().begin(), file.saved_dtypes().end())},
      {"size_bytes", file.size_bytes()},
      {"sha256", file.sha256()},
      {"architecture", file.architecture()},
      {"state_dict_key", file.state_dict_key()},
      {"removed_prefixes", std::vector<std::string>(file.removed_prefixes().begin(), file.removed_prefixes().end())}};
}

Json ToJson(const v1::Placement& placement) {
  Json document = {{"device", placement.device()},
                   {"requested_device", placement.requested_device()},
                   {"fallback", placement.fallback()},
                   {"fallback_from", placement.fallback_from()},
                   {"fallback_reason", placement.fallback_reason()},
                   {"precision", placement.precision()},
                   {"rewritten_constants", placement.rewritten_constants()},
                   {"decisions", std::vector<std::string>(placement.decisions().begin(), placement.decisions().end())}};
  if (placement.has_precision_deviation()) document["precision_deviation"] = placement.precision_deviation();
  if (placement.has_tuning()) {
    const v1::Tuning& tuning = placement.tuning();
    document["tuning"] = {
        {"variant", tuning.variant()},       {"intra_op_threads", tuning.intra_op_threads()},
        {"batch_rows", tuning.batch_rows()}, {"rows_per_second", tuning.rows_per_second()},
        {"baseline", tuning.baseline()},     {"baseline_rows_per_second", tuning.baseline_rows_per_second()},
        {"deviation", tuning.deviation()},   {"kept", tuning.kept()}};
  }
  return document;
}

Json ToJson(const ModelVersion& version) {
  Json document = {{"model_name", version.model_name()},
                   {"model_version", version.model_version()},
                   {"state", StateName(version.state())}};
  if (version.error_code() != 0) {
    document["error"] = {{"code", ErrorCodeName(version)}, {"message", version.error_message()}};
  }
  document["inputs"] = ToJson(version.inputs());
  document["outputs"] = ToJson(version.outputs());
  document["max_batch_size"] = version.max_batch_size();
  document["dynamic_batching"] = version.dynamic_batching();
  document["stateful"] = version.stateful();
  if (version.has_file()) document["file"] = ToJson(version.file());
  if (version.has_placement()) document["placement"] = ToJson(version.placement());
  document["load_seconds"] = version.load_seconds();
  return document;
}

}  // namespace

std::string ModelTable(const ModelVersions& versions, const Console& console) {
  if (versions.empty()) return "The server has no models.\n";
  Table table({"MODEL", "VERSION", "STATE", "DEVICE", "FORMAT", "REASON"});
  std::string failures;
  for (const ModelVersion& version : versions) {
    table.AddRow({Printable(version.model_name()),
                  VersionText(version),
                  {StateName(version.state()), StyleOf(version.state())},
                  Printable(version.placement().device()),
                  Printable(version.file().format()) + (version.stateful() ? ", stateful" : ""),
                  Reason(version)});
    if (version.error_code() != 0) failures += "\n" + Failure(version, console);
  }
  return table.Render(console.color) + failures;
}

std::string ModelDetails(const ModelVersions& versions, const Console& console) {
  std::string text;
  for (const ModelVersion& version : versions) {
    text += (text.empty() ? "" : "\n") + VersionDetails(version, console);
  }
  return text;
}

Json ToJson(const ModelVersions& versions) {
  Json list = Json::array();
  for (const ModelVersion& version : versions) list.push_back(ToJson(version));
  return {{"versions", std::move(list)}};
}

}  // namespace torchferry::client
