#include "server/checkpoint/file_digest.h"

#include <utility>

#include "server/base/thread_name.h"

namespace torchferry::checkpoint {

FileDigest::FileDigest(std::shared_ptr<const File> file, std::function<void(const std::string&)> on_done)
    : thread_([this, file = std::move(file), on_done = std::move(on_done)](const std::stop_token& stop) {
        base::NameThisThread("file-digest");
        absl::StatusOr<std::string> hex = Sha256(*file, [&](uint64_t) { return !stop.stop_requested(); });
        if (hex.ok() && on_done) on_done(*hex);
        base::MutexLock lock(mutex_);
        if (hex.ok()) hex_ = *std::move(hex);
        is_done_ = true;
        done_.NotifyAll();
      }) {}

FileDigest::~FileDigest() = default;

std::string FileDigest::Get() const {
  base::MutexLock lock(mutex_);
  return hex_;
}

void FileDigest::Wait() const {
  base::MutexLock lock(mutex_);
  while (!is_done_) done_.Wait(mutex_);
}

}  // namespace torchferry::checkpoint
