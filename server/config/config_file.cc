#include "server/config/config_file.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "server/base/status.h"

namespace torchferry::config {
namespace {

constexpr uintmax_t kMaxConfigBytes = 4 << 20;

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& folder, const std::string& shown,
                                            const std::string& model_name) {
  namespace fs = std::filesystem;
  const fs::path path = fs::path(folder) / "config.pbtxt";
  std::error_code error;
  if (!fs::exists(path, error)) {
    ModelConfig config;
    config.name = model_name;
    return config;
  }
  const uintmax_t size = fs::file_size(path, error);
  if (error) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: is not a file: {}", shown, error.message());
  }
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
