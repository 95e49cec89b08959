// What went wrong, for people and for scripts: one mapping from gRPC to Status, one from Status to
// exit code.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

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

// A status that came from a call to `address`: marked so, and worded with what to do where that is
// known.
absl::Status FromServer(const grpc::Status& status, const std::string& address);

// Likewise, of an error that a server's answer told of.
absl::Status FromServer(absl::Status status);

// Whether FromServer made it; otherwise it is about the command line or a local file.
bool IsFromServer(const absl::Status& status);

ExitCode ExitCodeOf(const absl::Status& status);

// With the newline. JSON: {"error":{"code":"NOT_FOUND","message":"…"}}
std::string ErrorText(const absl::Status& status, bool json);

}  // namespace torchferry::client
