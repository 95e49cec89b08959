#include "client/tensor/file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <istream>
#include <vector>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 31;

}  // namespace

absl::StatusOr<std::string> ReadStream(std::istream& stream) {
  std::string bytes;
  std::vector<char> chunk(1 << 20);
  while (stream.read(chunk.data(), static_cast<std::streamsize>(chunk.size())), stream.gcount() > 0) {
    bytes.append(chunk.data(), static_cast<size_t>(stream.gcount()));
    if (bytes.size() > kMaxFileBytes) {
      return absl::InvalidArgumentError("more than 2 GiB, which no message holds");
    }
  }
  if (stream.bad()) return absl::InvalidArgumentError("cannot be read");
  return bytes;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} is a directory", path);
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return base::MakeStatus(errno == ENOENT ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument,
                            "cannot open {}: {}", path, std::strerror(errno));
  }
  absl::StatusOr<std::string> bytes = ReadStream(file);
  if (!bytes.ok()) return base::Annotate(bytes.status(), path);
  return bytes;
}

absl::Status WriteFile(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "cannot write {}: {}", path, std::strerror(errno));
  }
  return absl::OkStatus();
}

}  // namespace torchferry::client
