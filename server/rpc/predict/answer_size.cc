#include "server/rpc/predict/answer_size.h"

#include <algorithm>

#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/tensor/request_limits.h"

namespace torchferry::rpc {

uint64_t LeastAnswerBytes(const model::Outputs& outputs) {
  uint64_t bytes = 0;
  for (const model::NamedTensor& output : outputs) bytes += output.name.size() + output.tensor.bytes.size();
  return bytes;
}

absl::Status CheckAnswerSize(const model::Outputs& outputs, int64_t max_message_bytes) {
  return CheckMessageSize(outputs, LeastAnswerBytes(outputs), max_message_bytes);
}

absl::Status CheckMessageSize(const model::Outputs& outputs, uint64_t bytes, int64_t max_message_bytes) {
  if (bytes <= static_cast<uint64_t>(max_message_bytes)) return absl::OkStatus();
  if (outputs.empty()) {
    return base::MakeStatus(absl::StatusCode::kResourceExhausted,
                            "the answer has {} bytes; expected at most {}: raise the server's --max-message-mib", bytes,
                            max_message_bytes);
  }
  const model::NamedTensor& largest = *std::ranges::max_element(
      outputs, {}, [](const model::NamedTensor& output) { return output.tensor.bytes.size(); });
  return base::MakeStatus(absl::StatusCode::kResourceExhausted,
                          "the answer has {} bytes, of which output \"{}\" {}; expected at most {}. Send fewer rows, "
                          "ask for fewer outputs, or raise the server's --max-message-mib",
                          bytes, base::Excerpt(largest.name, limits::kMaxShownBytes), largest.tensor.bytes.size(),
                          max_message_bytes);
}

}  // namespace torchferry::rpc
