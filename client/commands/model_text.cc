#include "client/commands/model_text.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <vector>

#include "client/commands/model_fields.h"
#include "client/text/text.h"

namespace torchferry::client {
namespace {

using v1::ModelVersion;
using v1::TensorSpec;

Style StyleOf(v1::ModelState state) {
  switch (state) {
    case v1::MODEL_STATE_READY:
      return Style::kGood;
    case v1::MODEL_STATE_FAILED:
    case v1::MODEL_STATE_SUSPECT:
      return Style::kBad;
    default:
      return Style::kWarning;
  }
}

std::string VersionText(const ModelVersion& version) {
  return version.model_version() == 0 ? "-" : std::to_string(version.model_version());
}

// What a fallback was from; older servers do not say it.
const std::string& From(const v1::Placement& placement) {
  return placement.fallback_from().empty() ? placement.requested_device() : placement.fallback_from();
}

Cell Reason(const ModelVersion& version) {
  if (version.error_code() != 0) return {ErrorCodeName(version), Style::kBad};
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

void AddProvenance(const v1::Provenance& provenance, Table* table) {
  const std::string dtypes = Join(provenance.saved_dtypes());
  AddIfKnown(table, "saved on", provenance.saved_device() + (dtypes.empty() ? "" : " in " + dtypes));
  AddIfKnown(table, "saved with", provenance.torch_version().empty() ? "" : "torch " + provenance.torch_version());
  AddIfKnown(table, "saved as", provenance.program());
  AddIfKnown(table, "saved at", provenance.created());
  AddIfKnown(table, "commit", provenance.git_commit() + (provenance.git_dirty() ? ", with changes" : ""));
  AddIfKnown(table, "run", provenance.run_id());
  const std::map<std::string, double> metrics(provenance.metrics().begin(), provenance.metrics().end());
  for (const auto& [name, value] : metrics) table->AddRow({"metric", fmt::format("{} {:g}", Printable(name), value)});
  AddIfKnown(table, "source", provenance.source());
  AddIfKnown(table, "source sha256", provenance.sha256());
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
  if (file.has_provenance()) AddProvenance(file.provenance(), table);
}

void AddTuning(const v1::Tuning& tuning, Table* table) {
  table->AddRow(
      {"tuned", fmt::format("{}, intra-op threads {}, batches up to {} rows: {:.1f} rows/s ({}: {:.1f}){}{}",
                            Printable(tuning.variant()), tuning.intra_op_threads(), tuning.batch_rows(),
                            tuning.rows_per_second(), Printable(tuning.baseline()), tuning.baseline_rows_per_second(),
                            tuning.kept() ? ", kept from before" : "", tuning.is_final() ? "" : ", not final")});
  if (!tuning.has_latency()) return;
  const v1::TuningLatency& latency = tuning.latency();
  table->AddRow(
      {"small batches", fmt::format("{}, intra-op threads {}, up to {} rows: one takes {:.3g} ms (else {:.3g} ms)",
                                    Printable(latency.variant()), latency.intra_op_threads(), latency.max_rows(),
                                    1e3 * latency.seconds(), 1e3 * latency.throughput_seconds())});
}

void AddMemory(const v1::Memory& memory, Table* table) {
  if (memory.weight_bytes() > 0) table->AddRow({"weights", FormatBytes(memory.weight_bytes())});
  if (memory.small_batch_weight_bytes() > 0)
    table->AddRow({"small batches", FormatBytes(memory.small_batch_weight_bytes()) + " of weights of their own"});
  if (memory.standby_weight_bytes() > 0)
    table->AddRow({"elsewhere", FormatBytes(memory.standby_weight_bytes()) + " of weights on other devices"});
  if (memory.pass_bytes() > 0) {
    table->AddRow(
        {"forward pass", fmt::format("{} of tensors with {} row{}, when warmed up", FormatBytes(memory.pass_bytes()),
                                     memory.pass_rows(), memory.pass_rows() == 1 ? "" : "s")});
  }
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
  for (const v1::Parity& parity : placement.parity()) {
    table->AddRow({"parity",
                   {fmt::format("{} in {}: {}; {}", Printable(parity.device()), Printable(parity.precision()),
                                ParityName(parity), Printable(parity.detail())),
                    parity.state() == v1::PARITY_STATE_PASSED ? Style::kPlain : Style::kWarning}});
  }
  if (placement.rewritten_constants() > 0) {
    table->AddRow({"rewritten", fmt::format("{} constants of its code", placement.rewritten_constants())});
  }
  if (placement.has_tuning()) AddTuning(placement.tuning(), table);
  AddMemory(placement.memory(), table);
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

}  // namespace torchferry::client
