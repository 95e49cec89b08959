// Computes a file's SHA-256 while the file is loaded, because hashing takes longer than reading.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "server/base/mutex.h"
#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

// Thread-safe.
class FileDigest {
 public:
  // Starts at once, on its own thread. `on_done`, if given, gets the digest on that thread.
  explicit FileDigest(std::shared_ptr<const File> file, std::function<void(const std::string&)> on_done = nullptr);
  // Stops the hashing, and does not wait for the rest of the file.
  ~FileDigest();
  FileDigest(const FileDigest&) = delete;
  FileDigest& operator=(const FileDigest&) = delete;

  // Lower-case hex. Empty until the digest is done, and for a file that could not be read.
  std::string Get() const;
  void Wait() const;

 private:
  mutable base::Mutex mutex_;
  mutable base::CondVar done_;
  bool is_done_ FERRY_GUARDED_BY(mutex_) = false;
  std::string hex_ FERRY_GUARDED_BY(mutex_);
  std::jthread thread_;  // last: it uses the others
};

}  // namespace torchferry::checkpoint
