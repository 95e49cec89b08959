// The end of the program: its exit code, and the text of an error.
#pragma once

#include <absl/status/status.h>

#include <string>

namespace torchferry::client {

enum class ExitCode {
  kOk = 0,
  kServerError = 1,
  kUsage = 2,
  kUnavailable = 3,
  kDeadline = 4,
  kNotServing = 5,
  kNotServable = 6,
};

// The section of --help on exit codes.
extern const char kExitCodeHelp[];

// kOk for OK, kUsage for an error that is not the server's (rpc/errors.h).
ExitCode ExitCodeOf(const absl::Status& status);

// The text includes the newline. JSON: {"error":{"code":"NOT_FOUND","message":"…"}}
std::string ErrorText(const absl::Status& status, bool json);

}  // namespace torchferry::client
