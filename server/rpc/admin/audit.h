// Writes one line in the log for each admin call: the caller, its address, the method, the model and the result.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>

#include "server/base/clock.h"
#include "server/identity/caller.h"

namespace torchferry::rpc {

// The line "admin call" has identity (may be empty), peer, method, model, versions, code, milliseconds, an error's
// message, and whether the caller had gone. The caller's texts are cut, quoted and escaped, so that one call is always
// one line. A value type.
class AuditRecord {
 public:
  AuditRecord(const identity::Caller& caller, std::string_view method, std::string_view model, std::string versions);

  void Log(const absl::Status& outcome, bool caller_has_gone) const;

 private:
  std::string identity_;
  std::string peer_;
  std::string method_;
  std::string model_;
  std::string versions_;
  base::TimePoint began_ = base::Clock::Real().Now();
};

}  // namespace torchferry::rpc
