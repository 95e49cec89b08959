#include "server/registry/store_scanner.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/config/config_file.h"
#include "server/registry/listing.h"

namespace torchferry::registry {
namespace {

namespace fs = std::filesystem;

// "3" but neither "03" nor "0".
std::optional<int64_t> ParseVersion(const std::string& text) {
  int64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size() || version < 1 || text[0] == '0') return std::nullopt;
  return version;
}

// Name, size, time and number of each file in `open`, not of those in its folders; they say whether one was written
// or replaced. What begins with a point is not the model's: what tuning has found is kept so.
std::string Fingerprint(const base::Descriptor& open) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(open.path(), error), end; !error && it != end; it.increment(error)) {
    struct stat status = {};
    if (it->path().filename().native().front() == '.') continue;
    if (stat(it->path().c_str(), &status) != 0 || S_ISDIR(status.st_mode)) continue;
    files.push_back(fmt::format("{} {} {}.{:09} {}\n", it->path().filename().string(), status.st_size,
                                status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ino));
  }
  std::sort(files.begin(), files.end());
  return fmt::format("{}", fmt::join(files, ""));
}

// Without its versions.
ModelFolder FolderOf(std::string name, absl::StatusOr<config::ModelConfig> config) {
  return {std::move(name), std::move(config), {}, {}, {}};
}

// Where ext4 puts what it has found; often in the root of a volume, and for root alone.
bool IsOfFileSystem(const std::string& name) { return name == "lost+found"; }

// Rows of model_warmup, in the folder of the model.
bool IsOfWarmUp(const std::string& entry) { return entry == "warmup"; }

// A folder whose name no client can say: protobuf's strings are UTF-8.
ModelFolder Unnamable(const std::string& name) {
  const std::string shown = base::ToUtf8(name);
  return FolderOf(
      shown,
      base::MakeStatus(absl::StatusCode::kInvalidArgument,
                       "the folder's name is not UTF-8, so that no client can name the model; rename {}/", shown));
}

// A folder that cannot be opened has the error in place of its files: loading it says the same.
std::string FingerprintOfVersion(const base::StoreFolder& folder, const std::string& shown) {
  const auto open = base::OpenInStore(folder, "", base::StoreEntry::kFolder, shown);
  return open.ok() ? Fingerprint(*open) : base::MessageOf(open.status()) + "\n";
}

// The versions of a model, and whether it is one.
ModelFolder Scan(const base::StoreFolder& folder, const std::string& name) {
  const auto open = base::OpenInStore(folder, "", base::StoreEntry::kFolder, base::ToUtf8(name));
  if (!open.ok()) return FolderOf(base::ToUtf8(name), open.status());
  ModelFolder model = FolderOf(name, config::ReadModelConfig(folder, name + "/config.pbtxt", name));
  const std::string beside = Fingerprint(*open);
  std::error_code error;
  for (fs::directory_iterator it(open->path(), error), end; !error && it != end; it.increment(error)) {
    const std::string entry = it->path().filename().string();
    std::error_code ignored;
    if (!it->is_directory(ignored) || entry.front() == '.' || IsOfWarmUp(entry)) continue;
    if (const auto version = ParseVersion(entry)) {
      model.versions.push_back(*version);
      model.fingerprints[*version] = beside + FingerprintOfVersion(folder / entry, fmt::format("{}/{}", name, entry));
    } else {
      model.ignored.push_back(entry);
    }
  }
  if (error) {
    model.config =
        base::MakeStatus(absl::StatusCode::kPermissionDenied, "{}/ cannot be read: {}", name, error.message());
  }
  std::sort(model.versions.begin(), model.versions.end());
  const bool has_config =
      fs::symlink_status(fs::path(open->path()) / "config.pbtxt").type() != fs::file_type::not_found;
  model.is_model = (error && !IsOfFileSystem(name)) || has_config || !model.versions.empty();
  if (base::IsUtf8(name)) return model;
  ModelFolder unnamable = Unnamable(name);
  unnamable.is_model = model.is_model;
  return unnamable;
}

}  // namespace

std::string FingerprintOf(const ModelFolder& folder) {
  std::string text = base::MessageOf(folder.config.status());
  for (const auto& [version, fingerprint] : folder.fingerprints) text += fmt::format("{}:{}", version, fingerprint);
  return text;
}

absl::Status NoModel(const ModelFolder& folder) {
  const std::string others =
      folder.ignored.empty()
          ? ""
          : fmt::format("; its folder {}/ is no version, as that is a positive integer", folder.ignored.front());
  return base::MakeStatus(absl::StatusCode::kNotFound,
                          "{}/ is no model: it has neither a version nor a config.pbtxt{}; put a model file into {}/1/",
                          folder.name, others, folder.name);
}

absl::StatusOr<std::vector<int64_t>> WantedVersions(const ModelFolder& folder) {
  FERRY_RETURN_IF_ERROR(folder.config.status());
  if (!folder.is_model) return NoModel(folder);
  if (folder.versions.empty()) {
    return base::MakeStatus(absl::StatusCode::kNotFound, "{}/ has no version: put the model file into {}/1/",
                            folder.name, folder.name);
  }
  const std::vector<int64_t> wanted = config::SelectVersions(folder.config->version_policy, folder.versions);
  if (!wanted.empty()) return wanted;
  return base::MakeStatus(absl::StatusCode::kNotFound, "{}/ has none of the versions that its version_policy names",
                          folder.name);
}

absl::StatusOr<ModelFolder> ScanModel(const base::StoreFolder& store, const std::string& name) {
  std::error_code error;
  const bool is_name = !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
                       name.find('\0') == std::string::npos;
  if (!is_name || !fs::is_directory((store / name).path(), error)) {
    return base::MakeStatus(absl::StatusCode::kNotFound, "the store has no folder \"{}\"", name);
  }
  return Scan(store / name, name);
}

absl::StatusOr<std::vector<ModelFolder>> ScanStore(const base::StoreFolder& store) {
  std::error_code error;
  if (!fs::is_directory(store.path(), error)) {
    return base::MakeStatus(
        absl::StatusCode::kNotFound,
        "the model store \"{}\" is not a folder; give one with --model-store, laid out as NAME/VERSION/FILE",
        store.path());
  }
  std::vector<ModelFolder> models;
  for (fs::directory_iterator it(store.path(), error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (name.front() != '.' && it->is_directory(ignored)) models.push_back(Scan(store / name, name));
  }
  if (error) {
    return base::MakeStatus(absl::StatusCode::kPermissionDenied, "the model store \"{}\" cannot be read: {}",
                            store.path(), error.message());
  }
  std::stable_sort(models.begin(), models.end(),
                   [](const ModelFolder& a, const ModelFolder& b) { return a.name < b.name; });
  // Another folder's name may be what is shown of one that is not UTF-8.
  const auto is_same = [](const ModelFolder& a, const ModelFolder& b) { return a.name == b.name; };
  models.erase(std::unique(models.begin(), models.end(), is_same), models.end());
  return models;
}

absl::Status CheckNames(const std::vector<ModelFolder>& models, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto is_it = [&name](const ModelFolder& folder) { return folder.is_model && folder.name == name; };
    if (name == "*" || std::ranges::any_of(models, is_it)) continue;
    return base::MakeStatus(absl::StatusCode::kNotFound, "the store has no model \"{}\"; it has: {}", name,
                            Listing(models, [](const ModelFolder& folder) { return folder.name; }));
  }
  return absl::OkStatus();
}

}  // namespace torchferry::registry
