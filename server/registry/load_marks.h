// Remembers, over the end of the process, which versions were loading when it ended. A version whose loading ends the
// server does that at most twice.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "server/base/mutex.h"
#include "server/base/store_folder.h"
#include "server/registry/load_mark.h"

namespace torchferry::registry {

// After this number of ends of the server while it loaded a version, only changed files or a user's request load it
// again.
inline constexpr int kMaxEndsWhileLoading = 2;

// Thread-safe. It has its own folder in `state_dir`, which is locked while this lives. Every other server, of the same
// store or of another one, has another folder. There is one mark for each loading version. Each version that was
// loading when a server ended counts one end, whether it loaded alone or beside others. Versions with an end are loaded
// one at a time, so that the next end counts for the version that caused it.
class LoadMarks {
 public:
  // While it lives, the version is loading. It may end on any thread, but before the marks.
  class Loading {
   public:
    Loading(LoadMarks& marks, std::string model, int64_t version)
        : marks_(marks), model_(std::move(model)), version_(version) {}
    ~Loading() { marks_.End(model_, version_); }
    Loading(const Loading&) = delete;
    Loading& operator=(const Loading&) = delete;

   private:
    LoadMarks& marks_;
    const std::string model_;
    const int64_t version_;
  };

  // Takes over the marks that earlier servers of the same store (its path) left in `state_dir`, and logs each end that
  // it finds. UNAVAILABLE when the folder cannot be used: it does not exist, cannot be written or locked, or too many
  // servers share it.
  static absl::StatusOr<std::unique_ptr<LoadMarks>> Open(const std::string& state_dir, const std::string& store);
  ~LoadMarks() = default;
  LoadMarks(const LoadMarks&) = delete;
  LoadMarks& operator=(const LoadMarks&) = delete;

  // Loading begins. Earlier ends do not count if `fingerprint`, of the version's files, has changed, or with
  // `is_asked_for`. Waits, at most 5 minutes, while another version with an end loads. FAILED_PRECONDITION: the server
  // has ended twice while it loaded these files.
  absl::StatusOr<std::unique_ptr<Loading>> Begin(const std::string& model, int64_t version,
                                                 const std::string& fingerprint, bool is_asked_for);
  // Begins placing a loaded version on another device, from the same files.
  absl::StatusOr<std::unique_ptr<Loading>> BeginAgain(const std::string& model, int64_t version);
  // The server ends on purpose: running loads do not count as its cause from now on.
  void EndIntended();

 private:
  using Key = std::pair<std::string, int64_t>;
  struct Entry {
    LoadMark mark;
    std::string name;  // of its file
    int loads = 0;     // running
    bool is_on_disk = false;
  };

  LoadMarks(base::Descriptor folder, base::Descriptor lock, std::string boot);

  void TakeOver() FERRY_EXCLUDES(mutex_);
  absl::StatusOr<std::unique_ptr<Loading>> BeginLocked(Entry& entry) FERRY_REQUIRES(mutex_);
  void End(const std::string& model, int64_t version);
  // Waits until no other version with an end loads, the server ends, or 5 minutes have passed.
  void WaitForTurn(const Key& key) FERRY_REQUIRES(mutex_);
  // Makes the entry's file match its mark. The file is removed where there is nothing to remember.
  void Write(Entry& entry) FERRY_REQUIRES(mutex_);
  Entry& EntryOf(const Key& key) FERRY_REQUIRES(mutex_);

  const base::Descriptor folder_;
  const base::Descriptor lock_;
  const std::string boot_;

  base::Mutex mutex_;
  base::CondVar ended_;
  std::map<Key, Entry> entries_ FERRY_GUARDED_BY(mutex_);  // of every version that was loaded or has a mark
  int64_t last_name_ FERRY_GUARDED_BY(mutex_) = 0;
  bool is_ending_ FERRY_GUARDED_BY(mutex_) = false;
  bool has_failed_ FERRY_GUARDED_BY(mutex_) = false;  // to write a mark; logged once
};

}  // namespace torchferry::registry
