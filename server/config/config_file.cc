#include "server/config/config_file.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "server/base/status.h"

namespace torchferry::config {
namespace {

constexpr uintmax_t kMaxConfigBytes = 4 << 20;

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const base::StoreFolder& folder, const std::string& shown,
                                            const std::string& model_name) {
  auto open = base::OpenInStore(folder, "config.pbtxt", base::StoreEntry::kFile, shown);
  if (open.status().code() == absl::StatusCode::kNotFound) {
    ModelConfig config;
    config.name = model_name;
    return config;
  }
  if (!open.ok()) return open.status();
  const std::filesystem::path path = open->path();
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: is not a file", shown);
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (size > kMaxConfigBytes) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: {} bytes; a configuration has at most {}", shown,
                            size, kMaxConfigBytes);
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return base::MakeStatus(absl::StatusCode::kPermissionDenied, "{}: cannot be read", shown);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return ParseModelConfig(text, shown, model_name);
}

}  // namespace torchferry::config
