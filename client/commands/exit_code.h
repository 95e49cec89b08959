// How the program ends: its exit code, and what it says of an error.
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

// The lines of --help.
extern const char kExitCodeHelp[];

// kOk for OK, kUsage for what is not the server's (rpc/errors.h).
ExitCode ExitCodeOf(const absl::Status& status);

// With the newline. JSON: {"error":{"code":"NOT_FOUND","message":"…"}}
std::string ErrorText(const absl::Status& status, bool json);

}  // namespace torchferry::client
