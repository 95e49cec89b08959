#include "client/inspect/inspection_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "client/text/text.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

constexpr size_t kLargest = 5;
constexpr size_t kShown = 8;

std::string Join(const std::vector<std::string>& texts, size_t most = kShown) {
  const std::vector<std::string> shown(texts.begin(), texts.begin() + std::min(texts.size(), most));
  std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (texts.size() > most) text += fmt::format(" and {} more", texts.size() - most);
  return Printable(text);
}

void AddIfAny(Table& table, const char* key, const std::vector<std::string>& values) {
  if (!values.empty()) table.AddRow({key, Join(values)});
}

std::vector<std::string> DTypeTexts(const Inspection& inspection) {
  std::vector<std::string> texts;
  for (const auto& [dtype, count] : inspection.dtype_counts) {
    texts.push_back(fmt::format("{} ({} tensor{})", dtype, count, count == 1 ? "" : "s"));
  }
  return texts;
}

std::vector<std::string> DictTexts(const Inspection& inspection) {
  std::vector<std::string> texts;
  for (const checkpoint::NestedDict& dict : inspection.dicts)
    texts.push_back(fmt::format("{} ({})", dict.key, dict.tensors));
  return texts;
}

std::string PassportTable(const plan::Passport& passport, const Console& console) {
  const model::Provenance& provenance = passport.provenance;
  Table table({"PASSPORT", ""});
  const auto add = [&table](const char* key, const std::string& value) {
    if (!value.empty()) table.AddRow({key, Printable(value)});
  };
  add("saved on", provenance.saved_device);
  AddIfAny(table, "saved in", provenance.saved_dtypes);
  add("saved with", provenance.torch_version.empty() ? "" : "torch " + provenance.torch_version);
  add("saved as", provenance.program);
  add("saved at", provenance.created);
  add("commit", provenance.git_commit + (provenance.git_dirty.value_or(false) ? ", with changes" : ""));
  add("run", provenance.run_id);
  for (const auto& [name, value] : provenance.metrics) add("metric", fmt::format("{} {:g}", name, value));
  add("source", provenance.source);
  add("source sha256", provenance.sha256);
  if (passport.signature.has_value()) {
    for (const plan::PassportTensor& tensor : passport.signature->inputs) {
      add("input", fmt::format("{} {} {}", tensor.name, Name(tensor.dtype), tensor::ToString(tensor.dims)));
    }
    for (const plan::PassportTensor& tensor : passport.signature->outputs) {
      add("output", fmt::format("{} {} {}", tensor.name, Name(tensor.dtype), tensor::ToString(tensor.dims)));
    }
    add("rows", passport.signature->max_batch_size == 0
                    ? "no batch dimension"
                    : fmt::format("up to {}, beside these dims", passport.signature->max_batch_size));
  }
  add("golden rows", passport.golden.rows.empty()
                         ? ""
                         : fmt::format("{}, which the server runs wherever it places the model (rtol {:g}, atol {:g})",
                                       passport.golden.rows.size(), passport.golden.rtol, passport.golden.atol));
  return table.Render(console.color);
}

std::string FactsTable(const Inspection& inspection, const Console& console) {
  const plan::LoadPlan& plan = inspection.plan;
  Table table;
  table.AddRow({"file", {Printable(inspection.path), Style::kHeading}});
  table.AddRow({"format", std::string(Name(plan.format))});
  if (!plan.producer.empty()) table.AddRow({"producer", Printable(plan.producer)});
  table.AddRow({"size", FormatBytes(static_cast<int64_t>(inspection.file_bytes))});
  table.AddRow({"sha256", inspection.sha256});
  AddIfAny(table, "saved devices", plan.saved_devices);
  AddIfAny(table, "saved dtypes", DTypeTexts(inspection));
  table.AddRow({"tensors", fmt::format("{}, {} parameters, {}", inspection.tensors.size(), inspection.parameters,
                                       FormatBytes(static_cast<int64_t>(inspection.tensor_bytes)))});
  AddIfAny(table, "nested dicts", DictTexts(inspection));
  if (!plan.state_dict_key.empty()) table.AddRow({"state_dict", Printable(plan.state_dict_key)});
  AddIfAny(table, "removed", plan.removed_prefixes);
  for (const auto& names : inspection.tied) table.AddRow({"tied", Join(names)});
  AddIfAny(table, "other entries", inspection.other_entries);
  if (!inspection.architecture.empty()) table.AddRow({"architecture", Printable(inspection.architecture)});
  return table.Render(console.color);
}

std::string ProgramTable(const InspectedProgram& program, const Console& console) {
  Table table({"PROGRAM", "NAME", "DTYPE", "SHAPE"});
  const auto add = [&table](const char* what, const std::vector<InspectedArgument>& arguments) {
    for (const InspectedArgument& argument : arguments) {
      table.AddRow(
          {what, Printable(argument.name), std::string(Name(argument.dtype)), tensor::ToString(argument.shape)});
    }
  };
  add("input", program.inputs);
  add("output", program.outputs);
  std::string text = table.Render(console.color);
  if (program.max_batch_size == 0) return text;
  return text + fmt::format("Dimension 0 is the rows, up to {} a request; requests share batches: {}\n",
                            program.max_batch_size, program.dynamic_batching ? "yes" : "no");
}

std::string LargestTable(const Inspection& inspection, const Console& console) {
  std::vector<const InspectedTensor*> sorted;
  for (const InspectedTensor& tensor : inspection.tensors) sorted.push_back(&tensor);
  const size_t shown = std::min(sorted.size(), kLargest);
  std::partial_sort(sorted.begin(), sorted.begin() + shown, sorted.end(),
                    [](const auto* a, const auto* b) { return a->bytes > b->bytes; });
  Table table({"LARGEST", "DTYPE", "SHAPE", "SIZE"});
  for (size_t i = 0; i < shown; ++i) {
    table.AddRow({Printable(sorted[i]->name.empty() ? sorted[i]->key : sorted[i]->name),
                  std::string(Name(sorted[i]->dtype)), tensor::ToString(sorted[i]->shape),
                  FormatBytes(static_cast<int64_t>(sorted[i]->bytes))});
  }
  return table.Render(console.color);
}

// OK, or what a server with as much memory as is free here would say.
absl::Status RoomFor(const Inspection& inspection) {
  if (!inspection.available_memory.has_value()) return absl::OkStatus();
  return plan::CheckRoom(inspection.path, inspection.plan.memory, *inspection.available_memory);
}

std::string PlanTable(const Inspection& inspection, const Console& console) {
  const plan::PlacementPlan& placement = inspection.plan.placement;
  Table table({"ON THIS HOST", ""});
  table.AddRow({"device", tensor::ToString(placement.device)});
  table.AddRow({"requested", Printable(placement.requested)});
  if (!inspection.plan.precision.computes_in.empty())
    table.AddRow({"precision", inspection.plan.precision.computes_in});
  if (placement.fallback)
    table.AddRow({"fallback", {"yes, " + std::string(Name(placement.fallback_reason)), Style::kWarning}});
  table.AddRow({"load memory", "up to " + plan::ToString(inspection.plan.memory)});
  if (const absl::Status room = RoomFor(inspection); !room.ok()) {
    table.AddRow({"", {Printable(base::MessageOf(room)), Style::kWarning}});
  }
  for (const std::string& warning : inspection.plan.warnings) {
    table.AddRow({"warning", {Printable(warning), Style::kWarning}});
  }
  for (const std::string& decision : inspection.plan.decisions) table.AddRow({"decided", Printable(decision)});
  if (!inspection.plan.left_to_server.empty()) {
    table.AddRow({"only the server can tell", Printable(inspection.plan.left_to_server)});
  }
  return table.Render(console.color);
}

}  // namespace

std::string InspectionText(const Inspection& inspection, const Console& console) {
  std::string text = FactsTable(inspection, console);
  if (inspection.passport != nullptr) text += "\n" + PassportTable(*inspection.passport, console);
  if (inspection.program.has_value()) text += "\n" + ProgramTable(*inspection.program, console);
  if (!inspection.tensors.empty()) text += "\n" + LargestTable(inspection, console);
  text += "\n" + PlanTable(inspection, console);
  if (!inspection.missing.ok()) {
    text +=
        "\nNeeds an architecture\n" + Wrap(Printable(base::MessageOf(inspection.missing), true), console.width, 2) +
        fmt::format("  `torchferry inspect --scaffold {} > forward.py` makes a start.\n", Printable(inspection.path));
  }
  if (!inspection.suggested_config.empty()) text += "\nA config.pbtxt to start from\n" + inspection.suggested_config;
  return text;
}

}  // namespace torchferry::client
