#include "server/rpc/admin/audit.h"

#include <cmath>
#include <utility>
#include <vector>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/base/utf8.h"

namespace torchferry::rpc {
namespace {

constexpr size_t kMaxModelBytes = 256;
constexpr size_t kMaxErrorBytes = 2048;

}  // namespace

AuditRecord::AuditRecord(const identity::Caller& caller, std::string_view method, std::string_view model,
                         std::string versions)
    : identity_(caller.name()),
      peer_(caller.peer()),
      method_(method),
      model_(base::Excerpt(model, kMaxModelBytes)),
      versions_(std::move(versions)) {}

void AuditRecord::Log(const absl::Status& outcome, bool caller_has_gone) const {
  const double seconds = base::ToSeconds(base::Clock::Real().Now() - began_);
  std::vector<base::LogField> fields = {{"identity", identity_},
                                        {"peer", peer_},
                                        {"method", method_},
                                        {"model", model_},
                                        {"versions", versions_},
                                        {"code", base::CodeName(outcome.code())},
                                        {"milliseconds", std::round(seconds * 1e6) / 1e3}};
  if (!outcome.ok()) fields.emplace_back("error", base::Excerpt(base::MessageOf(outcome), kMaxErrorBytes));
  if (caller_has_gone) fields.emplace_back("caller_has_gone", true);
  base::Log(base::LogLevel::kInfo, "admin call", fields);
}

}  // namespace torchferry::rpc
