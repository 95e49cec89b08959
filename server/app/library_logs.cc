#include "server/app/library_logs.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <string>
#include <string_view>

#include "server/base/library_log.h"
#include "server/base/log_output.h"

namespace torchferry::app {
namespace {

// "chttp2_transport.cc:1103"
std::string Where(const char* file, int line) {
  const std::string_view path = file == nullptr ? "" : file;
  return fmt::format("{}:{}", path.substr(path.rfind('/') + 1), line);
}

void FromGrpc(gpr_log_func_args* message) {
  const base::LogLevel level = message->severity == GPR_LOG_SEVERITY_DEBUG  ? base::LogLevel::kDebug
                               : message->severity == GPR_LOG_SEVERITY_INFO ? base::LogLevel::kInfo
                                                                            : base::LogLevel::kError;
  base::LogFromLibrary(base::LogSource::kGrpc, level, message->message == nullptr ? "" : message->message,
                       {{"where", Where(message->file, message->line)}});
}

void FromProtobuf(google::protobuf::LogLevel severity, const char* file, int line, const std::string& text) {
  const base::LogLevel level = severity == google::protobuf::LOGLEVEL_INFO      ? base::LogLevel::kInfo
                               : severity == google::protobuf::LOGLEVEL_WARNING ? base::LogLevel::kWarning
                                                                                : base::LogLevel::kError;
  base::LogFromLibrary(base::LogSource::kProtobuf, level, text, {{"where", Where(file, line)}});
  if (severity == google::protobuf::LOGLEVEL_FATAL) base::FlushLog(std::chrono::seconds(1));
}

}  // namespace

void TakeLibraryLogs() {
  gpr_set_log_function(&FromGrpc);
  google::protobuf::SetLogHandler(&FromProtobuf);
  base::TakeStandardError();
}

}  // namespace torchferry::app
