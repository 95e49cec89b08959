#include "server/identity/identities.h"

#include <sys/stat.h>

#include <filesystem>
#include <span>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/checkpoint/file.h"
#include "server/identity/limits.h"

namespace torchferry::identity {
namespace {

// What messages call the file: paths of the host stay out of what clients may see; these go to the log alone.
absl::StatusOr<std::unique_ptr<checkpoint::File>> OpenFile(const std::string& path) {
  return checkpoint::File::Open(path, path);
}

absl::StatusOr<std::shared_ptr<const IdentitySet>> ReadSet(const checkpoint::File& file) {
  if (file.size() > limits::kMaxFileBytes) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: the file has {} bytes; expected at most {}",
                            file.name(), file.size(), limits::kMaxFileBytes);
  }
  std::string text(file.size(), '\0');
  FERRY_RETURN_IF_ERROR(file.Read(0, std::as_writable_bytes(std::span(text))));
  FERRY_ASSIGN_OR_RETURN(std::vector<IdentityEntry> entries, ParseIdentities(text, file.name()));
  return std::make_shared<const IdentitySet>(std::move(entries));
}

void WarnOfMode(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || (info.st_mode & 026) == 0) return;
  base::LogWarning(
      "the file of identities is open to other users of this host. They may read digests of tokens or add an identity; "
      "chmod 640 mends it",
      {{"file", path}, {"mode", fmt::format("{:o}", info.st_mode & 07777)}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Identities>> Identities::Open(const std::string& path, base::Duration interval) {
  FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<checkpoint::File> file, OpenFile(path));
  FERRY_ASSIGN_OR_RETURN(std::shared_ptr<const IdentitySet> set, ReadSet(*file));
  WarnOfMode(path);
  base::LogInfo("identities", {{"file", path}, {"identities", set->size()}});
  std::unique_ptr<Identities> made(new Identities(path));
  made->Use(std::move(set));
  made->in_use_ = made->seen_ = file->identity();
  made->thread_ = std::make_unique<base::LoopThread>("identities", [self = made.get(), interval] {
    self->Look();
    return base::Clock::Real().Now() + interval;
  });
  made->thread_->Start(base::Clock::Real().Now() + interval);
  return made;
}

void Identities::Look() {
  const auto file = OpenFile(path_);
  const std::string failure = file.ok() ? "" : base::MessageOf(file.status());
  if (std::exchange(failure_, failure) != failure && !failure.empty()) {
    base::LogError("the file of identities is not there: those read before stay", {{"error", failure}});
  }
  if (!file.ok()) return;
  const std::string seen = (*file)->identity();
  const bool stands_still = std::exchange(seen_, seen) == seen;
  if (seen == in_use_ || !stands_still) return;
  in_use_ = seen;
  auto set = ReadSet(**file);
  if (!set.ok()) {
    base::LogError("the file of identities is broken: those read before stay",
                   {{"error", base::MessageOf(set.status())}});
    return;
  }
  WarnOfMode(path_);
  base::LogInfo("identities were read again", {{"file", path_}, {"identities", (*set)->size()}});
  Use(*std::move(set));
}

}  // namespace torchferry::identity
