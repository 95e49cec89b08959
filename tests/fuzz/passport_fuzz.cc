// Any bytes as a passport: read within its limits, or refused; and as two passports, at the first NUL, that are
// compared.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/checkpoint/limits.h"
#include "server/plan/golden_fill.h"
#include "server/plan/passport.h"
#include "server/plan/passport_config.h"

namespace {

using torchferry::checkpoint::JsonValue;
using torchferry::plan::Passport;
namespace limits = torchferry::limits;

size_t BytesOf(const std::map<std::string, torchferry::tensor::HostTensor>& tensors) {
  size_t bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    const auto wanted = torchferry::tensor::ByteCount(tensor.dtype, tensor.shape);
    if (!wanted.ok() || static_cast<size_t>(*wanted) != tensor.bytes.size()) std::abort();
    bytes += tensor.bytes.size();
  }
  return bytes;
}

size_t BytesOf(const std::map<std::string, torchferry::plan::GoldenFill>& fills) {
  // More than what may be stored would take most of the fuzzer's time.
  constexpr size_t kMaxGeneratedBytes = limits::kMaxGoldenBytes;
  size_t bytes = 0;
  for (const auto& [name, fill] : fills) {
    const auto wanted = torchferry::tensor::ByteCount(fill.dtype, fill.shape);
    if (!wanted.ok() || !torchferry::plan::IsFillable(fill.dtype)) std::abort();
    const auto size = static_cast<size_t>(*wanted);
    if (size <= kMaxGeneratedBytes && torchferry::plan::Generate(fill).bytes.size() != size) std::abort();
    bytes += size;
  }
  return bytes;
}

void Check(const Passport& passport) {
  if (passport.golden.rows.size() > limits::kMaxGoldenRows) std::abort();
  size_t bytes = 0;
  for (const auto& row : passport.golden.rows) bytes += BytesOf(row.inputs) + BytesOf(row.outputs);
  if (bytes > limits::kMaxGoldenBytes) std::abort();
  size_t filled = 0;
  for (const auto& row : passport.golden.rows) filled += BytesOf(row.fills);
  if (filled > limits::kMaxFilledBytes) std::abort();
  if (!passport.signature.has_value()) return;
  const auto& signature = *passport.signature;
  if (signature.inputs.size() > limits::kMaxPassportTensors || signature.max_batch_size < 0) std::abort();
  // What a passport declares agrees with it.
  std::vector<std::string> decisions;
  const auto config = torchferry::plan::WithPassport({}, signature, "the passport", decisions);
  if (!torchferry::plan::CheckAgainstPassport(config, signature, {"config.pbtxt", "the passport"}).ok()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto first = torchferry::plan::ParsePassportJson(text.substr(0, text.find('\0')));
  if (!first.ok()) return 0;
  const auto passport = torchferry::plan::ReadPassport(*first);
  if (passport.ok()) Check(*passport);
  torchferry::checkpoint::JsonValue into = *first;
  if (!torchferry::plan::MergePassport(*first, into).empty()) std::abort();
  if (text.find('\0') == std::string_view::npos) return 0;
  const auto second = torchferry::plan::ParsePassportJson(text.substr(text.find('\0') + 1));
  if (!second.ok() || !torchferry::plan::MergePassport(*second, into).empty()) return 0;
  // Nothing that either says is lost: once more adds and contradicts nothing.
  const size_t members = into.items.size();
  if (!torchferry::plan::MergePassport(*first, into).empty() ||
      !torchferry::plan::MergePassport(*second, into).empty() || into.items.size() != members) {
    std::abort();
  }
  return 0;
}
