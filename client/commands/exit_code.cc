#include "client/commands/exit_code.h"

#include "client/rpc/errors.h"
#include "client/text/text.h"
#include "server/base/json.h"
#include "server/base/status.h"

namespace torchferry::client {

const char kExitCodeHelp[] =
    "Exit codes:\n"
    "  0  ok\n"
    "  1  the server answered with an error\n"
    "  2  wrong usage, or a local file or value that cannot be used\n"
    "  3  no server answers, or it is UNAVAILABLE\n"
    "  4  the deadline (--timeout) passed\n"
    "  5  health: not serving\n"
    "  6  inspect: a file that cannot be served as it is\n";

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kOk;
  if (!IsFromServer(status)) return ExitCode::kUsage;
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return ExitCode::kUnavailable;
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kDeadline;
    default:
      return ExitCode::kServerError;
  }
}

std::string ErrorText(const absl::Status& status, bool json) {
  const std::string code = base::CodeName(status.code());
  if (json) {
    return fmt::format("{{\"error\":{{\"code\":{},\"message\":{}}}}}\n", base::JsonQuote(code),
                       base::JsonQuote(base::MessageOf(status)));
  }
  return fmt::format("torchferry: {}: {}\n", code, Printable(base::MessageOf(status), true));
}

}  // namespace torchferry::client
