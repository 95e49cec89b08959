#include "server/plan/version_files.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/passport_text.h"
#include "server/checkpoint/shards.h"
#include "server/checkpoint/verified_file.h"
#include "server/plan/file_name_hints.h"

namespace torchferry::plan {
namespace {

namespace fs = std::filesystem;

constexpr char kForwardPy[] = "forward.py";
constexpr char kArchitecturePt[] = "architecture.pt";
constexpr char kArchitecturePt2[] = "architecture.pt2";

// Of a version's folder. Each is opened to see what it is, and a message lists the first of them.
constexpr size_t kMaxFiles = 1000;
constexpr size_t kMaxListed = 20;

using OpenedFile = std::shared_ptr<const checkpoint::File>;

// The files of one version. With a list of trusted digests each is held against it when it is opened, once, and what
// was verified is what is read from then on.
class Opener {
 public:
  explicit Opener(const checkpoint::TrustedDigests* trusted) : trusted_(trusted) {}

  absl::StatusOr<OpenedFile> Open(const base::StoreFolder& folder, const std::string& name, const std::string& shown) {
    if (const auto known = verified_.find(shown); known != verified_.end()) return known->second;
    FERRY_ASSIGN_OR_RETURN(OpenedFile file, checkpoint::File::Open(folder, name, shown));
    if (trusted_ == nullptr) return file;
    FERRY_ASSIGN_OR_RETURN(file, checkpoint::VerifyFile(std::move(file), *trusted_));
    verified_.emplace(shown, file);
    return file;
  }

  bool verifies() const { return trusted_ != nullptr; }

 private:
  const checkpoint::TrustedDigests* const trusted_;  // null: every file may be read
  std::map<std::string, OpenedFile> verified_;
};

struct Folder {
  base::StoreFolder folder;
  std::string name;  // inside the store, for messages
  Opener& opener;    // of all files, so that none is read that is not trusted
};

bool IsSetAside(const std::string& name, const config::ModelConfig& config) {
  return name == kForwardPy || name == kArchitecturePt || name == kArchitecturePt2 ||
         name == config.state_dict.architecture || name == checkpoint::kPassportFile || name.front() == '.';
}

absl::StatusOr<std::vector<std::string>> ModelCandidates(const Folder& folder, const config::ModelConfig& config) {
  std::vector<std::string> names;
  FERRY_ASSIGN_OR_RETURN(const base::Descriptor open,
                         base::OpenInStore(folder.folder, "", base::StoreEntry::kFolder, folder.name));
  std::error_code error;
  for (fs::directory_iterator it(open.path(), error), end; !error && it != end; it.increment(error)) {
    if (names.size() > kMaxFiles) {
      return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                              "{}/ has more than {} files, which are not looked through for a model; name it with "
                              "default_model_filename in config.pbtxt",
                              folder.name, kMaxFiles);
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

absl::StatusOr<OpenedFile> OpenIn(const Folder& folder, const std::string& name) {
  return folder.opener.Open(folder.folder, name, folder.name + "/" + name);
}

// Opens the parts and puts all files together; files.model is the index, if there is one.
absl::Status SetParts(const Folder& folder, const std::vector<std::string>& parts, VersionFiles& files) {
  std::vector<std::shared_ptr<const checkpoint::File>> all;
  if (files.index != nullptr) all.push_back(files.model);
  for (const std::string& part : parts) {
    auto file = OpenIn(folder, part);
    if (file.status().code() == absl::StatusCode::kNotFound) {
      return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                              "{}/{} is not there, and {} names it as one of the {} parts of the model; put it there",
                              folder.name, part, files.model->name(), parts.size());
    }
    if (!file.ok()) return file.status();
    files.parts.push_back(*file);
    all.push_back(*std::move(file));
  }
  const std::string name = files.index != nullptr ? files.model->name() : all.front()->name();
  files.model = checkpoint::JoinFiles(std::move(all), name);
  files.format = checkpoint::FileFormat::kShards;
  return absl::OkStatus();
}

// What the index names. One that names nothing leaves it to the names of the files.
absl::Status SetIndexedParts(const Folder& folder, const config::ModelConfig& config, VersionFiles& files) {
  FERRY_ASSIGN_OR_RETURN(checkpoint::ShardIndex index, checkpoint::ReadShardIndex(*files.model));
  std::vector<std::string> parts = index.files;
  files.index = std::make_shared<const checkpoint::ShardIndex>(std::move(index));
  if (parts.empty()) {
    FERRY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ModelCandidates(folder, config));
    parts = CompleteSet(names);
  }
  if (!parts.empty()) return SetParts(folder, parts, files);
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "{} is the index of a state_dict in several files and names none. Put all of them beside it, "
                          "with their own names: NAME-00001-of-00002.safetensors and so on",
                          files.model->name());
}

absl::Status SetModel(const Folder& folder, const std::string& name, const config::ModelConfig& config,
                      VersionFiles& files) {
  FERRY_ASSIGN_OR_RETURN(files.model, OpenIn(folder, name));
  FERRY_ASSIGN_OR_RETURN(files.format, checkpoint::Recognise(*files.model));
  files.model_path = (folder.folder / name).path();
  return files.format == checkpoint::FileFormat::kShards ? SetIndexedParts(folder, config, files) : absl::OkStatus();
}

absl::Status FindModel(const Folder& folder, const config::ModelConfig& config, VersionFiles& files) {
  if (!config.default_model_filename.empty()) return SetModel(folder, config.default_model_filename, config, files);
  FERRY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ModelCandidates(folder, config));
  std::vector<Candidate> candidates;
  for (const std::string& name : names) {
    auto file = OpenIn(folder, name);
    // What a file is can be told by reading it: with a list of digests all files of the folder are on it.
    if (!file.ok() && folder.opener.verifies()) return file.status();
    candidates.push_back(
        {name, file.ok() ? checkpoint::Recognise(**file) : absl::StatusOr<checkpoint::FileFormat>(file.status())});
    if (candidates.back().format.ok() && *candidates.back().format == checkpoint::FileFormat::kShards) {
      absl::StatusOr<checkpoint::ShardIndex> index = checkpoint::ReadShardIndex(**file);
      if (index.ok()) candidates.back().parts = std::move(index->files);
    }
  }
  FERRY_ASSIGN_OR_RETURN(const ModelChoice chosen, ChooseModelFile(candidates, folder.name));
  if (chosen.parts.empty()) return SetModel(folder, chosen.file, config, files);
  files.model_path = (folder.folder / chosen.file).path();
  return SetParts(folder, chosen.parts, files);
}

absl::Status FindPassport(const Folder& folder, VersionFiles& files) {
  auto file = OpenIn(folder, checkpoint::kPassportFile);
  if (file.status().code() == absl::StatusCode::kNotFound) return absl::OkStatus();
  FERRY_ASSIGN_OR_RETURN(files.passport_file, std::move(file));
  return absl::OkStatus();
}

// By content, whatever it is called: one that is neither a program nor an archive is said when it is read.
Architecture KindOf(const std::string& name, const checkpoint::File& file) {
  if (fs::path(name).extension() == ".py") return Architecture::kForwardPy;
  const absl::StatusOr<checkpoint::FileFormat> format = checkpoint::Recognise(file);
  return format.ok() && *format == checkpoint::FileFormat::kExportedProgram ? Architecture::kProgram
                                                                            : Architecture::kTorchScript;
}

// Whatever the model's format: one that is not used is worth a word.
absl::Status FindArchitecture(const std::vector<Folder>& folders, const config::ModelConfig& config,
                              VersionFiles& files) {
  std::vector<std::string> wanted = {kForwardPy, kArchitecturePt2, kArchitecturePt};
  if (!config.state_dict.architecture.empty()) wanted = {config.state_dict.architecture};
  for (const Folder& folder : folders) {
    for (const std::string& name : wanted) {
      auto file = OpenIn(folder, name);
      if (file.status().code() == absl::StatusCode::kNotFound) continue;
      FERRY_ASSIGN_OR_RETURN(files.architecture_file, std::move(file));
      files.architecture = KindOf(name, *files.architecture_file);
      return absl::OkStatus();
    }
  }
  if (files.format == checkpoint::FileFormat::kTorchScript ||
      files.format == checkpoint::FileFormat::kExportedProgram) {
    return absl::OkStatus();
  }
  std::vector<std::string> places;
  for (const Folder& folder : folders) places.push_back(folder.name + "/");
  const bool is_named = !config.state_dict.architecture.empty();
  files.missing = base::MakeStatus(
      absl::StatusCode::kFailedPrecondition,
      "{} is a state_dict: weights without the model's code. Put {} beside it (looked for in {}){}",
      files.model->name(),
      is_named ? config.state_dict.architecture : "a forward.py, an architecture.pt2 or an architecture.pt",
      fmt::join(places, " and "),
      is_named ? ", as state_dict.architecture says" : "; server/docs/guide/state-dicts.md shows how to make either");
  return absl::OkStatus();
}

// Several files that are one model; `models`: indices into `candidates`.
std::optional<ModelChoice> OneModelOf(const std::vector<Candidate>& candidates, const std::vector<size_t>& models) {
  const Candidate* index = nullptr;
  std::vector<std::string> names;
  for (const size_t i : models) {
    if (*candidates[i].format != checkpoint::FileFormat::kShards) {
      names.push_back(candidates[i].name);
    } else if (std::exchange(index, &candidates[i]) != nullptr) {
      return std::nullopt;
    }
  }
  std::vector<std::string> parts = index != nullptr ? index->parts : std::vector<std::string>();
  if (parts.empty()) parts = CompleteSet(names);
  const std::unordered_set<std::string> known(parts.begin(), parts.end());
  const bool has_others =
      parts.empty() || std::ranges::any_of(names, [&](const std::string& name) { return !known.contains(name); });
  if (has_others) return std::nullopt;
  if (index != nullptr) return ModelChoice{index->name, {}};
  return ModelChoice{parts.front(), std::move(parts)};
}

// What the names of several models tell: "; …", or nothing.
std::string HintOf(const std::vector<Candidate>& candidates, const std::vector<size_t>& models) {
  for (const size_t i : models) {
    const std::string& name = candidates[i].name;
    // mp_rank_00_model_states.pt, zero_pp_rank_0_mp_rank_00_optim_states.pt and the like.
    if (name.ends_with("_model_states.pt") || name.ends_with("_optim_states.pt")) {
      return "; these are a DeepSpeed checkpoint's. With ZeRO stages 0 to 2 mp_rank_00_model_states.pt has all "
             "weights: name that one. With stage 3 they lie in all the files: `python zero_to_fp32.py . out`, which "
             "DeepSpeed "
             "puts beside them, makes one of them";
    }
  }
  for (const size_t i : models) {
    if (std::string hint = PartHint(candidates[i].name); !hint.empty()) return hint;
  }
  return "";
}

}  // namespace

absl::StatusOr<ModelChoice> ChooseModelFile(const std::vector<Candidate>& candidates, const std::string& folder) {
  std::vector<size_t> models;
  std::string listing;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].format.ok()) models.push_back(i);
    if (i >= kMaxListed) continue;
    if (candidates[i].format.ok()) {
      listing += fmt::format("\n  {}: {}", candidates[i].name, Name(*candidates[i].format));
    } else {
      listing += fmt::format("\n  {}", base::MessageOf(candidates[i].format.status()));
    }
  }
  if (candidates.size() > kMaxListed) listing += fmt::format("\n  and {} more", candidates.size() - kMaxListed);
  if (models.size() == 1) return ModelChoice{candidates[models[0]].name, {}};
  if (models.size() > 1) {
    if (std::optional<ModelChoice> one = OneModelOf(candidates, models); one.has_value()) return *std::move(one);
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                            "{}/ has {} model files; name one with default_model_filename in config.pbtxt{}:{}", folder,
                            models.size(), HintOf(candidates, models), listing);
  }
  if (candidates.empty()) {
    return base::MakeStatus(
        absl::StatusCode::kNotFound,
        "{}/ has no model file; put a torch.export program, a TorchScript archive or a state_dict there", folder);
  }
  if (candidates.size() == 1) return candidates[0].format.status();
  return absl::Status(candidates[0].format.status().code(),
                      fmt::format("{}/ has no file that can be served:{}", folder, listing));
}

absl::StatusOr<VersionFiles> FindVersionFiles(const base::StoreFolder& store, const std::string& model, int64_t version,
                                              const config::ModelConfig& config,
                                              const checkpoint::TrustedDigests* trusted) {
  Opener opener(trusted);
  const Folder model_folder{store / model, model, opener};
  const Folder version_folder{model_folder.folder / std::to_string(version), fmt::format("{}/{}", model, version),
                              opener};
  VersionFiles files;
  files.trusted_by = trusted == nullptr ? "" : trusted->name();
  FERRY_RETURN_IF_ERROR(FindModel(version_folder, config, files));
  FERRY_RETURN_IF_ERROR(FindPassport(version_folder, files));
  FERRY_RETURN_IF_ERROR(FindArchitecture({version_folder, model_folder}, config, files));
  return files;
}

bool IsVersionFolder(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  return !name.empty() && name.front() != '0' && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

absl::StatusOr<VersionFiles> FindFilesOf(const std::string& path, const config::ModelConfig& config,
                                         bool follows_links_out, const checkpoint::TrustedDigests* trusted) {
  Opener opener(trusted);
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
    folders.push_back({model / absolute.filename().string(), parent.string(), opener});
    folders.push_back(
        {model, file.is_absolute() ? above.string() : above.lexically_proximate(fs::current_path(error)).string(),
         opener});
  } else {
    folders.push_back({base::StoreFolder(parent.string(), /*follows_links_out=*/true), parent.string(), opener});
  }
  VersionFiles files;
  files.trusted_by = trusted == nullptr ? "" : trusted->name();
  FERRY_ASSIGN_OR_RETURN(files.model, opener.Open(folders[0].folder, file.filename().string(), path));
  FERRY_ASSIGN_OR_RETURN(files.format, checkpoint::Recognise(*files.model));
  files.model_path = path;
  if (files.format == checkpoint::FileFormat::kShards)
    FERRY_RETURN_IF_ERROR(SetIndexedParts(folders[0], config, files));
  FERRY_RETURN_IF_ERROR(FindPassport(folders[0], files));
  FERRY_RETURN_IF_ERROR(FindArchitecture(folders, config, files));
  return files;
}

}  // namespace torchferry::plan
