#include "server/registry/load_marks.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "server/base/atomic_file.h"
#include "server/base/logging.h"
#include "server/base/status.h"

namespace torchferry::registry {
namespace {

namespace fs = std::filesystem;

// Servers that may share a folder and a store.
constexpr int kMaxServers = 64;
// Marks that are taken over; what is more is removed unread.
constexpr size_t kMaxMarks = 4096;
// Longer than this, a version does not wait for another one: that may load for ever.
constexpr auto kMaxWait = std::chrono::minutes(5);

constexpr std::string_view kPrefix = "load-";

std::string SystemError() { return std::strerror(errno); }

std::string BootId() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string boot;
  in >> boot;
  return boot.substr(0, 64);
}

// Of the store's path without links: a few bytes, for a name.
std::string DigestOfStore(const std::string& store) {
  std::error_code error;
  const fs::path path = fs::canonical(store, error);
  return DigestOfFiles(error ? store : path.string());
}

// Ours, and no link. A negative descriptor: it is not.
base::Descriptor OpenOwnFolder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return base::Descriptor(-1);
  base::Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info = {};
  if (folder.get() < 0 || ::fstat(folder.get(), &info) != 0) return base::Descriptor(-1);
  if (info.st_uid != ::geteuid()) {
    errno = EPERM;
    return base::Descriptor(-1);
  }
  return folder;
}

// Of a mark's name, "load-3". Nothing for other names, what a write that was cut off has left among them.
std::optional<int64_t> NumberOf(std::string_view name) {
  constexpr int64_t kMax = int64_t{1} << 48;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number);
  const bool is_number = error == std::errc() && end == name.data() + name.size() && number > 0 && number < kMax;
  return is_number ? std::optional(number) : std::nullopt;
}

// A regular file and no link, whole. Nothing where it is none, or too large.
std::optional<std::string> ReadSmallFile(const std::string& path) {
  const base::Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat info = {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  std::string text(kMaxMarkBytes + 1, '\0');
  const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
  if (size < 0 || static_cast<size_t>(size) > kMaxMarkBytes) return std::nullopt;
  text.resize(static_cast<size_t>(size));
  return text;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LoadMarks>> LoadMarks::Open(const std::string& state_dir, const std::string& store) {
  const std::string path = fmt::format("{}/{}", state_dir, DigestOfStore(store));
  std::string why = "too many servers share it";
  for (int i = 0; i < kMaxServers; ++i) {
    base::Descriptor folder = OpenOwnFolder(fmt::format("{}-{}", path, i));
    if (folder.get() < 0) {
      why = SystemError();
      if (errno != EPERM) break;  // somebody else's; the next one may be ours
      continue;
    }
    base::Descriptor lock(::openat(folder.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (lock.get() < 0 || (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno != EWOULDBLOCK)) {
      why = SystemError();
      break;
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) continue;  // another server's
    std::unique_ptr<LoadMarks> marks(new LoadMarks(std::move(folder), std::move(lock), BootId()));
    marks->TakeOver();
    return marks;
  }
  return base::MakeStatus(absl::StatusCode::kUnavailable, "--state-dir {} cannot be used: {}", state_dir, why);
}

LoadMarks::LoadMarks(base::Descriptor folder, base::Descriptor lock, std::string boot)
    : folder_(std::move(folder)), lock_(std::move(lock)), boot_(std::move(boot)) {}

void LoadMarks::TakeOver() {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder_.path(), error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.starts_with(kPrefix)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  base::MutexLock lock(mutex_);
  for (const std::string& name : names) {
    const auto number = NumberOf(name);
    const bool is_read = number.has_value() && entries_.size() < kMaxMarks;
    const auto text = is_read ? ReadSmallFile(folder_.path() + "/" + name) : std::nullopt;
    const auto left = text.has_value() ? ParseMark(*text) : std::nullopt;
    if (!left.has_value() || entries_.contains({left->model, left->version})) {
      ::unlinkat(folder_.get(), name.c_str(), 0);
      continue;
    }
    last_name_ = std::max(last_name_, *number);
    LoadMark mark = AfterTheEnd(*left, boot_);
    if (mark.ends > left->ends) {
      base::LogWarning("the server ended while it loaded this version",
                       {{"model", mark.model}, {"version", mark.version}, {"ends", mark.ends}});
    }
    Entry& entry = entries_[{mark.model, mark.version}];
    entry = {.mark = std::move(mark), .name = name, .is_on_disk = true};
    Write(entry);
  }
}

LoadMarks::Entry& LoadMarks::EntryOf(const Key& key) {
  Entry& entry = entries_[key];
  if (entry.name.empty()) {
    entry.name = fmt::format("{}{}", kPrefix, ++last_name_);
    entry.mark.model = key.first;
    entry.mark.version = key.second;
  }
  return entry;
}

absl::StatusOr<std::unique_ptr<LoadMarks::Loading>> LoadMarks::Begin(const std::string& model, int64_t version,
                                                                     const std::string& fingerprint,
                                                                     bool is_asked_for) {
  std::string files = DigestOfFiles(fingerprint);
  base::MutexLock lock(mutex_);
  Entry& entry = EntryOf({model, version});
  if (is_asked_for || entry.mark.files != files) entry.mark.ends = 0;
  entry.mark.files = std::move(files);
  return BeginLocked(entry);
}

absl::StatusOr<std::unique_ptr<LoadMarks::Loading>> LoadMarks::BeginAgain(const std::string& model, int64_t version) {
  base::MutexLock lock(mutex_);
  return BeginLocked(EntryOf({model, version}));
}

absl::StatusOr<std::unique_ptr<LoadMarks::Loading>> LoadMarks::BeginLocked(Entry& entry) {
  const Key key = {entry.mark.model, entry.mark.version};
  if (entry.mark.ends >= kMaxEndsWhileLoading) {
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                            "{}/{}: the server ended twice while it was loading this version. It is loaded again when "
                            "its files change, or by name (LoadModel with --enable-admin: torchferry load {}:{})",
                            key.first, key.second, key.first, key.second);
  }
  if (entry.mark.ends > 0) WaitForTurn(key);
  ++entry.loads;
  entry.mark.is_loading = !is_ending_;
  entry.mark.boot = boot_;
  Write(entry);
  return std::make_unique<Loading>(*this, key.first, key.second);
}

void LoadMarks::WaitForTurn(const Key& key) {
  const auto deadline = std::chrono::steady_clock::now() + kMaxWait;
  const auto is_taken = [&]() FERRY_REQUIRES(mutex_) {
    return std::ranges::any_of(entries_, [&](const auto& other) {
      return other.first != key && other.second.loads > 0 && other.second.mark.ends > 0;
    });
  };
  while (!is_ending_ && is_taken()) {
    if (!ended_.WaitUntil(mutex_, deadline)) return;
  }
}

void LoadMarks::End(const std::string& model, int64_t version) {
  base::MutexLock lock(mutex_);
  Entry& entry = entries_.at({model, version});
  if (--entry.loads > 0) return;
  entry.mark.is_loading = false;
  entry.mark.ends = 0;
  Write(entry);
  ended_.NotifyAll();
}

void LoadMarks::EndIntended() {
  base::MutexLock lock(mutex_);
  is_ending_ = true;
  for (auto& [key, entry] : entries_) {
    if (!std::exchange(entry.mark.is_loading, false)) continue;
    Write(entry);
  }
  ended_.NotifyAll();
}

void LoadMarks::Write(Entry& entry) {
  if (!entry.mark.is_loading && entry.mark.ends == 0) {
    if (std::exchange(entry.is_on_disk, false)) ::unlinkat(folder_.get(), entry.name.c_str(), 0);
    return;
  }
  entry.is_on_disk = true;
  const absl::Status written =
      base::WriteFileAtomically(folder_.path() + "/" + entry.name, MarkText(entry.mark), base::Durability::kHost);
  if (written.ok() || std::exchange(has_failed_, true)) return;
  base::LogWarning("not remembered what is loading: --state-dir cannot be written",
                   {{"model", entry.mark.model}, {"reason", base::MessageOf(written)}});
}

}  // namespace torchferry::registry
