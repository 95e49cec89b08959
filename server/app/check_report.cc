#include "server/app/check_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "server/app/text_table.h"
#include "server/base/printable.h"
#include "server/base/status.h"
#include "server/plan/load_memory.h"
#include "server/tensor/fallback_reason.h"

namespace torchferry::app {
namespace {

// As warming up says it: torch/load/warm_up.cc.
constexpr std::string_view kRefusal = "it does not run on";
constexpr std::string_view kRefusalOfGuess = "not warmed up";

bool HasSentence(const std::vector<std::string>& sentences, std::string_view beginning) {
  return std::ranges::any_of(sentences, [&](const std::string& one) { return one.starts_with(beginning); });
}

FirstRow FirstRowOf(const model::ModelInfo& info) {
  if (HasSentence(info.warnings, kRefusal)) return FirstRow::kRefused;
  if (HasSentence(info.decisions, kRefusalOfGuess)) return FirstRow::kGuessRefused;
  return info.row_seconds > 0 ? FirstRow::kRan : FirstRow::kNone;
}

std::string FallbackText(const std::string& from, tensor::FallbackReason reason) {
  return fmt::format("from {}: {}", from, Name(reason));
}

std::string ResultOf(Prospect prospect) {
  switch (prospect) {
    case Prospect::kServes:
      return "would serve";
    case Prospect::kRefusesRows:
      return "refuses rows";
    case Prospect::kFails:
      return "would fail";
    case Prospect::kLeftOut:
      return "not served";
  }
  return "";
}

std::string RowText(const CheckedVersion& version) {
  switch (version.row.value_or(FirstRow::kNone)) {
    case FirstRow::kRan:
      return fmt::format("a row in {:.2f} ms", version.row_seconds * 1e3);
    case FirstRow::kRefused:
      return "a row failed";
    case FirstRow::kGuessRefused:
      return "a row failed, of sizes that were a guess";
    case FirstRow::kNone:
      return "no row tried";
  }
  return "";
}

// The last column.
std::string WhatOf(const CheckedVersion& version) {
  if (version.prospect == Prospect::kFails) return base::CodeName(version.error.code());
  if (version.prospect == Prospect::kLeftOut) return version.why_out;
  std::vector<std::string> parts;
  if (!version.precision.empty()) parts.push_back(version.precision);
  if (!version.fallback.empty()) parts.push_back("fallback " + version.fallback);
  if (version.row.has_value()) parts.push_back(RowText(version));
  const size_t warnings = version.warnings.size();
  if (warnings > 0) parts.push_back(fmt::format("{} warning{}", warnings, warnings == 1 ? "" : "s"));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

std::string VersionText(int64_t version) { return version == 0 ? "-" : std::to_string(version); }

// `text` below a heading. The lines that an error shows of a model's code stay lines.
std::string Indented(std::string_view text) {
  std::string lines = "  ";
  for (const char c : base::Printable(text, /*keep_line_breaks=*/true)) {
    lines += c;
    if (c == '\n') lines += "  ";
  }
  return lines + "\n";
}

std::string SentencesOf(const CheckedVersion& version) {
  std::string text;
  for (const std::string& warning : version.warnings) text += Indented("warning: " + warning);
  if (version.prospect == Prospect::kFails) return Indented(base::MessageOf(version.error)) + text;
  if (!version.memory.empty()) text += Indented("loading takes up to " + version.memory);
  for (const std::string& decision : version.decisions) text += Indented(decision);
  if (version.row == FirstRow::kNone) {
    text += Indented(
        "no row was tried: an input is not declared in full, or is a number or text; model_warmup can name "
        "a request");
  }
  if (!version.left_to_load.empty()) text += Indented("only --load tells " + version.left_to_load);
  return text;
}

// "Model resnet18, version 3: resnet18/3/model.pt" and the sentences.
std::string DetailsOf(const CheckedVersion& version) {
  const std::string number = version.version == 0 ? "" : fmt::format(", version {}", version.version);
  const std::string subject =
      version.prospect == Prospect::kFails ? base::CodeName(version.error.code()) : version.file;
  return fmt::format("\nModel {}{}: {}\n{}", base::Printable(version.model), number, base::Printable(subject),
                     SentencesOf(version));
}

int64_t Count(const std::vector<CheckedVersion>& versions, Prospect prospect) {
  return std::ranges::count(versions, prospect, &CheckedVersion::prospect);
}

std::string Summary(const std::vector<CheckedVersion>& versions) {
  const int64_t left_out = Count(versions, Prospect::kLeftOut);
  const int64_t wanted = static_cast<int64_t>(versions.size()) - left_out;
  const std::string others = left_out == 0 ? "" : fmt::format("; not served: {}", left_out);
  return fmt::format("\n{} of {} would serve{}\n", Count(versions, Prospect::kServes), wanted, others);
}

CheckedVersion Of(const std::string& model, int64_t version, Prospect prospect) {
  CheckedVersion checked;
  checked.model = model;
  checked.version = version;
  checked.prospect = prospect;
  return checked;
}

}  // namespace

CheckedVersion Planned(const std::string& model, int64_t version, const std::string& file, const plan::LoadPlan& plan) {
  CheckedVersion checked = Of(model, version, Prospect::kServes);
  checked.file = file;
  checked.device = tensor::ToString(plan.placement.device);
  checked.format = Name(plan.format);
  checked.precision = plan.precision.computes_in;
  if (plan.placement.fallback) {
    checked.fallback = FallbackText(plan.placement.fallback_from, plan.placement.fallback_reason);
  }
  checked.memory = plan::ToString(plan.memory);
  checked.left_to_load = plan.left_to_server;
  checked.decisions = plan.decisions;
  checked.warnings = plan.warnings;
  return checked;
}

CheckedVersion Loaded(const std::string& model, int64_t version, const tensor::DeviceId& device,
                      const model::ModelInfo& info) {
  const FirstRow row = FirstRowOf(info);
  CheckedVersion checked = Of(model, version, row == FirstRow::kRefused ? Prospect::kRefusesRows : Prospect::kServes);
  checked.file = info.file_path;
  checked.device = tensor::ToString(device);
  checked.format = info.format;
  checked.precision = info.precision;
  if (info.fallback) checked.fallback = FallbackText(info.fallback_from, info.fallback_reason);
  checked.row = row;
  checked.row_seconds = info.row_seconds;
  checked.decisions = info.decisions;
  checked.warnings = info.warnings;
  return checked;
}

CheckedVersion Failed(const std::string& model, int64_t version, const absl::Status& error) {
  CheckedVersion checked = Of(model, version, Prospect::kFails);
  checked.error = error;
  return checked;
}

CheckedVersion LeftOut(const std::string& model, int64_t version, const std::string& why) {
  CheckedVersion checked = Of(model, version, Prospect::kLeftOut);
  checked.why_out = why;
  return checked;
}

int ExitCodeOf(const std::vector<CheckedVersion>& versions) {
  const int64_t served = Count(versions, Prospect::kServes);
  const int64_t wanted = static_cast<int64_t>(versions.size()) - Count(versions, Prospect::kLeftOut);
  return served > 0 && served == wanted ? 0 : 1;
}

std::string CheckText(const std::vector<CheckedVersion>& versions) {
  std::vector<std::vector<std::string>> lines = {{"MODEL", "VERSION", "RESULT", "DEVICE", "FORMAT", "WHAT"}};
  std::string details;
  for (const CheckedVersion& version : versions) {
    lines.push_back({version.model, VersionText(version.version), ResultOf(version.prospect), OrDash(version.device),
                     OrDash(version.format), WhatOf(version)});
    if (version.prospect != Prospect::kLeftOut) details += DetailsOf(version);
  }
  return TextTable(lines) + details + Summary(versions);
}

}  // namespace torchferry::app
