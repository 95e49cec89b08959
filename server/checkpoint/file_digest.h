// A file's SHA-256, computed beside the loading of it: hashing takes longer than reading.
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
  // Starts at once, on a thread of its own. `on_done`, if given, gets the digest there.
  explicit FileDigest(std::shared_ptr<const File> file, std::function<void(const std::string&)> on_done = nullptr);
  // Does not wait for the rest of the file.
  ~FileDigest();
  FileDigest(const FileDigest&) = delete;
  FileDigest& operator=(const FileDigest&) = delete;

  // Lower-case hex; empty until it is done, and for a file that could not be read.
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
