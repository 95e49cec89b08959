// Remembers, over the end of the process, what was being loaded when it ended: a version whose loading ends the server
// does so twice and no more.
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

// So many ends of the server while it loaded a version, and the version is not loaded again by itself.
inline constexpr int kMaxEndsWhileLoading = 2;

// Thread-safe. A folder of its own in `state_dir`, which is locked for as long as this lives: another server, of the
// same store or of another one, has another folder. One mark for each running load; what was loading when a server
// ended, it alone or beside others, counts one end. Versions with an end are loaded one at a time, so that the next end
// counts for the one that is to blame.
class LoadMarks {
 public:
  // While it lives, the version is being loaded. Ends on any thread, before the marks.
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

  // Takes over what earlier servers of the same store (its path) have left in `state_dir`, and logs each end that it
  // finds. UNAVAILABLE when the folder cannot be used: it is not there, cannot be written or locked, or too many
  // servers share it.
  static absl::StatusOr<std::unique_ptr<LoadMarks>> Open(const std::string& state_dir, const std::string& store);
  ~LoadMarks() = default;
  LoadMarks(const LoadMarks&) = delete;
  LoadMarks& operator=(const LoadMarks&) = delete;

  // Loading begins. `fingerprint`: of the version's files; when it is another than before, or `is_asked_for`, earlier
  // ends do not count. Waits, for minutes at most, while another version with an end loads. FAILED_PRECONDITION: the
  // server has ended twice while it loaded these files.
  absl::StatusOr<std::unique_ptr<Loading>> Begin(const std::string& model, int64_t version,
                                                 const std::string& fingerprint, bool is_asked_for);
  // A version that was loaded is placed on another device: the same, of the same files.
  absl::StatusOr<std::unique_ptr<Loading>> BeginAgain(const std::string& model, int64_t version);
  // The server ends on purpose: what is loading does not count from now on.
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
  // Waits until no other version with an end loads, the server ends, or it has taken too long.
  void WaitForTurn(const Key& key) FERRY_REQUIRES(mutex_);
  // The entry's file becomes what its mark says: gone where there is nothing to remember.
  void Write(Entry& entry) FERRY_REQUIRES(mutex_);
  Entry& EntryOf(const Key& key) FERRY_REQUIRES(mutex_);

  const base::Descriptor folder_;
  const base::Descriptor lock_;
  const std::string boot_;

  base::Mutex mutex_;
  base::CondVar ended_;
  std::map<Key, Entry> entries_ FERRY_GUARDED_BY(mutex_);  // of every version that was loaded, or has a mark
  int64_t last_name_ FERRY_GUARDED_BY(mutex_) = 0;
  bool is_ending_ FERRY_GUARDED_BY(mutex_) = false;
  bool has_failed_ FERRY_GUARDED_BY(mutex_) = false;  // to write a mark: said once
};

}  // namespace torchferry::registry
