// Status helpers: formatted builders and the two propagation macros. Statuses are absl's; below `rpc` nothing
// knows gRPC codes, and nothing outside `torch` throws.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace torchferry::base {

// Debian's absl::string_view is not std::string_view, so everything here takes and returns std types.
template <typename... Args>
absl::Status MakeStatus(absl::StatusCode code, fmt::format_string<Args...> format, Args&&... args) {
  return absl::Status(code, fmt::format(format, std::forward<Args>(args)...));
}

// The message of `status` as a std type.
inline std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

// "INVALID_ARGUMENT" and so on.
inline std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

// The same code and payloads with "prefix: " before the message; OK stays OK.
absl::Status Annotate(const absl::Status& status, std::string_view prefix);

}  // namespace torchferry::base

#define FERRY_STATUS_CONCAT_IMPL(a, b) a##b
#define FERRY_STATUS_CONCAT(a, b) FERRY_STATUS_CONCAT_IMPL(a, b)

// Returns from the enclosing function when `expr` is a status that is not OK.
#define FERRY_RETURN_IF_ERROR(expr)                                 \
  do {                                                              \
    if (::absl::Status ferry_status = (expr); !ferry_status.ok()) { \
      return ferry_status;                                          \
    }                                                               \
  } while (false)

// NOLINTBEGIN(bugprone-macro-parentheses): a name and a declaration cannot have parentheses.
#define FERRY_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                                \
  if (!tmp.ok()) return tmp.status();               \
  lhs = std::move(tmp).value()
// NOLINTEND(bugprone-macro-parentheses)

// `lhs` may declare: FERRY_ASSIGN_OR_RETURN(auto x, F());
#define FERRY_ASSIGN_OR_RETURN(lhs, expr) \
  FERRY_ASSIGN_OR_RETURN_IMPL(FERRY_STATUS_CONCAT(ferry_statusor_, __LINE__), lhs, expr)
