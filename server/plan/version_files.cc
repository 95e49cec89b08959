#include "server/plan/version_files.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

namespace fs = std::filesystem;

constexpr char kForwardPy[] = "forward.py";
constexpr char kArchitecturePt[] = "architecture.pt";

// Of a version's folder. Each is opened to see what it is, and a message lists the first of them.
constexpr size_t kMostFiles = 1000;
constexpr size_t kMostListed = 20;

struct Folder {
  base::StoreFolder folder;
  std::string name;  // inside the store, for messages
};

bool IsSetAside(const std::string& name, const config::ModelConfig& config) {
  return name == kForwardPy || name == kArchitecturePt || name == config.state_dict.architecture || name.front() == '.';
}

absl::StatusOr<std::vector<std::string>> ModelCandidates(const Folder& folder, const config::ModelConfig& config) {
  std::vector<std::string> names;
  FERRY_ASSIGN_OR_RETURN(const base::Descriptor open,
                         base::OpenInStore(folder.folder, "", base::StoreEntry::kFolder, folder.name));
  std::error_code error;
  for (fs::directory_iterator it(open.path(), error), end; !error && it != end; it.increment(error)) {
    if (names.size() > kMostFiles) {
      return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                              "{}/ has more than {} files, which are not looked through for a model; name it with "
                              "default_model_filename in config.pbtxt",
                              folder.name, kMostFiles);
    }
    const std::string name = it->path().filename().string();
    if (!IsSetAside(name, config) && !it->is_directory(error)) names.push_back(name);
  }
  if (error) {
    return base::MakeStatus(absl::StatusCode::kPermissionDenied, "{}: cannot be read: {}", folder.name,
                            error.message());
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::shared_ptr<const checkpoint::File>> OpenIn(const Folder& folder, const std::string& name) {
  FERRY_ASSIGN_OR_RETURN(auto file, checkpoint::File::Open(folder.folder, name, folder.name + "/" + name));
  return std::shared_ptr<const checkpoint::File>(std::move(file));
}

absl::Status SetModel(const Folder& folder, const std::string& name, VersionFiles& files) {
  FERRY_ASSIGN_OR_RETURN(files.model, OpenIn(folder, name));
  FERRY_ASSIGN_OR_RETURN(files.format, checkpoint::Recognise(*files.model));
  files.model_path = (folder.folder / name).path();
  return absl::OkStatus();
}

absl::Status FindModel(const Folder& folder, const config::ModelConfig& config, VersionFiles& files) {
  if (!config.default_model_filename.empty()) return SetModel(folder, config.default_model_filename, files);
  FERRY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ModelCandidates(folder, config));
  std::vector<Candidate> candidates;
  for (const std::string& name : names) {
    auto file = OpenIn(folder, name);
    candidates.push_back(
        {name, file.ok() ? checkpoint::Recognise(**file) : absl::StatusOr<checkpoint::FileFormat>(file.status())});
  }
  FERRY_ASSIGN_OR_RETURN(const size_t chosen, ChooseModelFile(candidates, folder.name));
  return SetModel(folder, candidates[chosen].name, files);
}

// Whatever the model's format: one that is not used is worth a word.
absl::Status FindArchitecture(const std::vector<Folder>& folders, const config::ModelConfig& config,
                              VersionFiles& files) {
  std::vector<std::string> wanted = {kForwardPy, kArchitecturePt};
  if (!config.state_dict.architecture.empty()) wanted = {config.state_dict.architecture};
  for (const Folder& folder : folders) {
    for (const std::string& name : wanted) {
      auto file = OpenIn(folder, name);
      if (file.status().code() == absl::StatusCode::kNotFound) continue;
      FERRY_ASSIGN_OR_RETURN(files.architecture_file, std::move(file));
      files.architecture = fs::path(name).extension() == ".py" ? Architecture::kForwardPy : Architecture::kTorchScript;
      return absl::OkStatus();
    }
  }
  if (files.format == checkpoint::FileFormat::kTorchScript) return absl::OkStatus();
  std::vector<std::string> places;
  for (const Folder& folder : folders) places.push_back(folder.name + "/");
  const bool is_named = !config.state_dict.architecture.empty();
  files.missing = base::MakeStatus(
      absl::StatusCode::kFailedPrecondition,
      "{} is a state_dict: weights without the model's code. Put {} beside it (looked for in {}){}",
      files.model->name(), is_named ? config.state_dict.architecture : "a forward.py or an architecture.pt",
      fmt::join(places, " and "),
      is_named ? ", as state_dict.architecture says" : "; README.md shows how to make either");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<size_t> ChooseModelFile(const std::vector<Candidate>& candidates, const std::string& folder) {
  std::vector<size_t> models;
  std::string listing;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].format.ok()) models.push_back(i);
    if (i >= kMostListed) continue;
    if (candidates[i].format.ok()) {
      listing += fmt::format("\n  {}: {}", candidates[i].name, Name(*candidates[i].format));
    } else {
      listing += fmt::format("\n  {}", base::MessageOf(candidates[i].format.status()));
    }
  }
  if (candidates.size() > kMostListed) listing += fmt::format("\n  and {} more", candidates.size() - kMostListed);
  if (models.size() == 1) return models[0];
  if (models.size() > 1) {
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                            "{}/ has {} model files; name one with default_model_filename in config.pbtxt:{}", folder,
                            models.size(), listing);
  }
  if (candidates.empty()) {
    return base::MakeStatus(absl::StatusCode::kNotFound,
                            "{}/ has no model file; put a TorchScript archive or a state_dict there", folder);
  }
  if (candidates.size() == 1) return candidates[0].format.status();
  return absl::Status(candidates[0].format.status().code(),
                      fmt::format("{}/ has no file that can be served:{}", folder, listing));
}

absl::StatusOr<VersionFiles> FindVersionFiles(const base::StoreFolder& store, const std::string& model, int64_t version,
                                              const config::ModelConfig& config) {
  const Folder model_folder{store / model, model};
  const Folder version_folder{model_folder.folder / std::to_string(version), fmt::format("{}/{}", model, version)};
  VersionFiles files;
  FERRY_RETURN_IF_ERROR(FindModel(version_folder, config, files));
  FERRY_RETURN_IF_ERROR(FindArchitecture({version_folder, model_folder}, config, files));
  return files;
}

bool IsVersionFolder(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  return !name.empty() && name.front() != '0' && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

absl::StatusOr<VersionFiles> FindFilesOf(const std::string& path, const config::ModelConfig& config,
                                         bool follows_links_out) {
  const fs::path file = fs::path(path);
  const fs::path parent = file.has_parent_path() ? file.parent_path() : fs::path(".");
  std::error_code error;
  fs::path absolute = fs::absolute(parent, error).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();  // of "." it ends in a slash
  std::vector<Folder> folders;
  if (IsVersionFolder(absolute.string())) {
    const fs::path above = absolute.parent_path();
    const base::StoreFolder store(above.parent_path().string(), follows_links_out);
    const base::StoreFolder model = store / above.filename().string();
    folders.push_back({model / absolute.filename().string(), parent.string()});
    folders.push_back(
        {model, file.is_absolute() ? above.string() : above.lexically_proximate(fs::current_path(error)).string()});
  } else {
    folders.push_back({base::StoreFolder(parent.string(), /*follows_links_out=*/true), parent.string()});
  }
  VersionFiles files;
  FERRY_ASSIGN_OR_RETURN(files.model, checkpoint::File::Open(folders[0].folder, file.filename().string(), path));
  FERRY_ASSIGN_OR_RETURN(files.format, checkpoint::Recognise(*files.model));
  files.model_path = path;
  FERRY_RETURN_IF_ERROR(FindArchitecture(folders, config, files));
  return files;
}

}  // namespace torchferry::plan
