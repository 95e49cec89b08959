// Any bytes as a forward.py, and as LibTorch's report on one.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/base/status.h"
#include "server/plan/compile_report.h"
#include "server/plan/forward_calls.h"
#include "server/plan/forward_imports.h"
#include "server/plan/forward_layers.h"
#include "server/plan/key_names.h"
#include "server/plan/nesting.h"

namespace {

void Require(bool is_so) {
  if (!is_so) std::abort();
}

constexpr size_t kMaxMessageBytes = 4096;

// The constructors, held against some keys.
void CheckLayers(std::string_view source) {
  static const torchferry::plan::KeyShapes keys = {{"fc.weight", {4, 3}},
                                                   {"fc.bias", {4}},
                                                   {"conv.weight", {4, 3, 7, 7}},
                                                   {"layers.0.weight", {2}},
                                                   {"layers.1.fc.weight", {2, 2}}};
  const auto layers = torchferry::plan::PlanLayers(source, "forward.py", keys);
  if (!layers.ok()) Require(torchferry::base::MessageOf(layers.status()).size() < 4 * kMaxMessageBytes);
}

// What is left has the same lines, none of them longer.
void CheckImports(std::string_view source) {
  const auto imports = torchferry::plan::ReadImports(source, "forward.py");
  if (!imports.ok()) {
    const std::string message = torchferry::base::MessageOf(imports.status());
    Require(message.starts_with("forward.py:") && message.size() < kMaxMessageBytes);
    return;
  }
  const std::string& body = imports->body;
  Require(std::ranges::count(body, '\n') == std::ranges::count(source, '\n') + 1);
  Require(body.size() <= source.size() + 1);
  const auto again = torchferry::plan::ReadImports(body, "forward.py");
  Require(again.ok() && again->names.empty() && again->body == body + "\n");
  torchferry::plan::CodeSize size;
  if (!torchferry::plan::CheckNesting(body, "forward.py", size).ok()) return;
  const absl::Status calls = torchferry::plan::CheckCalls(body, "forward.py");
  Require(calls.ok() || torchferry::base::MessageOf(calls).size() < kMaxMessageBytes);
  CheckLayers(source);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckImports(text);
  const torchferry::plan::CompileReport report = torchferry::plan::ReadCompileReport(text);
  Require(report.message.size() < kMaxMessageBytes && report.column <= size + 1);
  (void)torchferry::plan::MentionsAttribute(text, "model");
  return 0;
}
