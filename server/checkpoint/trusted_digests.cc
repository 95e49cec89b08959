#include "server/checkpoint/trusted_digests.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/file.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

constexpr size_t kHexDigits = 2 * sizeof(Sha256Digest);
constexpr size_t kMaxShown = 80;  // bytes of a line that is refused

// The line up to its end, which goes from `rest`.
std::string_view TakeLine(std::string_view& rest) {
  const size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Nothing for a line of another form.
std::optional<Sha256Digest> DigestOf(std::string_view line) {
  // With this sha256sum marks a name in which it has escaped a character.
  if (line.starts_with('\\')) line.remove_prefix(1);
  const bool has_name = line.size() > kHexDigits + 2 && line[kHexDigits] == ' ' &&
                        (line[kHexDigits + 1] == ' ' || line[kHexDigits + 1] == '*');
  return has_name ? FromHex(line.substr(0, kHexDigits)) : std::nullopt;
}

absl::Status TooLong(const std::string& name, uint64_t bytes) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "{}: the list of digests has {} bytes; expected at most {}", name, bytes,
                          limits::kMaxDigestListBytes);
}

}  // namespace

TrustedDigests::TrustedDigests(std::string name, std::vector<Sha256Digest> digests)
    : name_(std::move(name)), digests_(std::move(digests)) {}

absl::StatusOr<TrustedDigests> TrustedDigests::Parse(std::string_view text, std::string name) {
  if (text.size() > limits::kMaxDigestListBytes) return TooLong(name, text.size());
  std::vector<Sha256Digest> digests;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = TakeLine(text);
    if (line.empty() || line.front() == '#') continue;
    const std::optional<Sha256Digest> digest = DigestOf(line);
    if (!digest.has_value()) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "{}:{}: {} is no line of sha256sum; expected {} hexadecimal digits, two spaces and a "
                              "file's name",
                              name, number, Quoted(line.substr(0, kMaxShown)), kHexDigits);
    }
    if (digests.size() == limits::kMaxDigests) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "{}:{}: the list has more digests than {}, which is the most; expected a shorter list",
                              name, number, limits::kMaxDigests);
    }
    digests.push_back(*digest);
  }
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
  return TrustedDigests(std::move(name), std::move(digests));
}

absl::StatusOr<std::shared_ptr<const TrustedDigests>> TrustedDigests::Read(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, File::Open(path, name));
  if (file->size() > limits::kMaxDigestListBytes) return TooLong(name, file->size());
  std::string text(file->size(), '\0');
  FERRY_RETURN_IF_ERROR(file->Read(0, std::as_writable_bytes(std::span(text))));
  FERRY_ASSIGN_OR_RETURN(TrustedDigests list, Parse(text, std::move(name)));
  return std::make_shared<const TrustedDigests>(std::move(list));
}

bool TrustedDigests::Has(const Sha256Digest& digest) const {
  return std::binary_search(digests_.begin(), digests_.end(), digest);
}

absl::Status TrustedDigests::Check(const Sha256Digest& digest, std::string_view file) const {
  if (Has(digest)) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                          "{}: its SHA-256 {} is not among the {} of {} (--trusted-digests), so it is not read. Put "
                          "the published file there, or add the line that sha256sum writes for this one",
                          file, ToHex(digest), size(), name_);
}

}  // namespace torchferry::checkpoint
