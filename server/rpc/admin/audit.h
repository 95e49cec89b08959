// One line in the log for each admin call: who, from where, what, on which model, and what came of it.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>

#include "server/base/clock.h"
#include "server/identity/caller.h"

namespace torchferry::rpc {

// "admin call", with identity (empty where there is none), peer, method, model, versions, code, milliseconds, the
// message of an error, and whether the caller had gone by then. What the caller says is cut, quoted and escaped, so
// that one call is always one line. A value type.
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
