#include "server/rpc/predict/request_log.h"

#include <cmath>
#include <vector>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/base/utf8.h"

namespace torchferry::rpc {
namespace {

// A client may send megabytes as a name.
constexpr size_t kMaxNameBytes = 256;

std::string Shortened(const std::string& name) { return base::Excerpt(name, kMaxNameBytes); }

double Milliseconds(base::Duration duration) { return std::round(base::ToSeconds(duration) * 1e6) / 1e3; }

}  // namespace

void RequestLog::OnEnd(const PredictCall& call, const PredictEnd& end) {
  const bool is_internal = end.status.code() == absl::StatusCode::kInternal;
  const base::LogLevel level = is_internal ? base::LogLevel::kWarning : base::LogLevel::kDebug;
  if (!base::IsLogged(level)) return;
  std::vector<base::LogField> fields = {{"method", call.head.method},
                                        {"model", Shortened(call.head.model)},
                                        {"version", call.servable != nullptr ? call.servable->version() : call.version},
                                        {"device", end.device},
                                        {"code", base::CodeName(end.status.code())},
                                        {"milliseconds", Milliseconds(end.duration)}};
  if (!call.head.caller.name().empty()) fields.emplace_back("identity", call.head.caller.name());
  if (!call.head.request_id.empty()) fields.emplace_back("request_id", Shortened(call.head.request_id));
  if (!end.status.ok()) fields.emplace_back("error", base::MessageOf(end.status));
  base::Log(level, "request", fields);
}

}  // namespace torchferry::rpc
