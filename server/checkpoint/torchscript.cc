#include "server/checkpoint/torchscript.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/archive_pickle.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/passport_text.h"
#include "server/checkpoint/pickle_depth.h"
#include "server/checkpoint/refusal.h"
#include "server/checkpoint/storage_table.h"
#include "server/checkpoint/tensor_rebuild.h"
#include "server/checkpoint/torchscript_module.h"

namespace torchferry::checkpoint {
namespace {

constexpr uint64_t kMaxVersionBytes = 32;
constexpr std::string_view kClass = "class ";

// Where the next line that begins a class starts.
size_t NextClass(std::string_view text, size_t from) {
  const size_t line_end = text.find("\nclass ", from);
  return line_end == std::string_view::npos ? line_end : line_end + 1;
}

template <typename T>
void AddOnce(const T& value, std::vector<T>& values) {
  if (std::ranges::find(values, value) == values.end()) values.push_back(value);
}

// Every tensor that the pickle makes, wherever it ends up: the nodes are walked, not the object
// graph. That is walked after it, for the names, where the pickle holds the module.
absl::StatusOr<std::string> DescribeTensors(const ZipArchive& archive, std::string_view pickle_name,
                                            std::string_view folder, bool is_module, TorchScriptInfo& info) {
  FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<ArchivePickle> pickle,
                         ReadArchivePickle(archive, pickle_name, TorchScriptGlobals(), JudgeTorchScript));
  const PickleTree& tree = pickle->tree;
  FERRY_RETURN_IF_ERROR(base::Annotate(CheckPickleDepth(tree), pickle_name));
  const ZipStorages source(archive, std::string(folder));
  StorageTable storages(source);
  TensorRebuilder rebuilder(tree, storages);
  std::unordered_set<std::string> classes(info.classes.begin(), info.classes.end());
  for (PickleRef ref = 0; ref < tree.nodes.size(); ++ref) {
    if (tree[ref].kind == PickleKind::kGlobal && tree[ref].role == GlobalRole::kClass &&
        tree[ref].text.starts_with("__torch__")) {
      std::string name = fmt::format("{}.{}", tree[ref].text, tree[ref].name);
      if (classes.insert(name).second) info.classes.push_back(std::move(name));
    }
    if (tree[ref].kind == PickleKind::kPersistent) {
      FERRY_RETURN_IF_ERROR(storages.Resolve(tree, tree[ref]).status());
    }
    if (!IsTensor(tree, ref)) continue;
    const absl::StatusOr<TensorInfo> tensor = rebuilder.Rebuild(ref);
    if (tensor.ok()) {
      AddOnce(tensor->dtype, info.dtypes);
      if (is_module || !tensor->shape.empty()) {
        AddOnce(tensor->dtype, info.weight_dtypes);
        AddOnce(storages.storages()[tensor->storage].saved_device, info.weight_devices);
      }
    } else if (!absl::IsInvalidArgument(tensor.status())) {
      return base::Annotate(tensor.status(), fmt::format("a tensor in {}", pickle_name));
    } else {
      // A tensor that only a state_dict cannot hold; LibTorch reads it.
      FERRY_RETURN_IF_ERROR(
          base::Annotate(rebuilder.CheckForLibTorch(ref), fmt::format("a tensor in {}", pickle_name)));
    }
  }
  if (is_module) {
    TensorRebuilder again(tree, storages);
    FERRY_RETURN_IF_ERROR(ListModuleTensors(tree, again, info));
  }
  info.storages.insert(info.storages.end(), storages.storages().begin(), storages.storages().end());
  return std::move(pickle->bytes);
}

absl::Status ReadCode(const ZipArchive& archive, TorchScriptInfo& info) {
  uint64_t left = limits::kMaxCodeBytes;
  for (const ZipEntry& entry : archive.entries()) {
    if (!entry.name.starts_with("code/") || !entry.name.ends_with(".py")) continue;
    if (entry.size_bytes > std::min(limits::kMaxCodeFileBytes, left)) {
      return base::MakeStatus(absl::StatusCode::kDataLoss,
                              "source {} has {} bytes; at most {} for a file and {} in all are read",
                              Quoted(entry.name), entry.size_bytes, limits::kMaxCodeFileBytes, limits::kMaxCodeBytes);
    }
    left -= entry.size_bytes;
    FERRY_ASSIGN_OR_RETURN(std::string text, archive.ReadString(entry, limits::kMaxCodeFileBytes));
    info.code_files.push_back(entry.name);
    info.code_texts.push_back(std::move(text));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ReadNumber(const ZipArchive& archive, const ZipEntry& entry) {
  FERRY_ASSIGN_OR_RETURN(const std::string text, archive.ReadString(entry, kMaxVersionBytes));
  const size_t length = text.find_last_not_of("\r\n") + 1;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + length, number);
  if (error != std::errc() || end != text.data() + length || number < 1) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "has the {} {}; expected a number", entry.name, Quoted(text));
  }
  return number;
}

// The entry `version`, or `.data/version`, a line with a number; LibTorch would prefer the latter.
absl::StatusOr<int64_t> ReadVersion(const ZipArchive& archive) {
  const ZipEntry* entry = archive.Find(".data/version");
  const ZipEntry* other = archive.Find("version");
  if (entry == nullptr) std::swap(entry, other);
  if (entry == nullptr) {
    return absl::DataLossError("has no entry \"version\": it is damaged; download or copy it again, or save it anew");
  }
  FERRY_ASSIGN_OR_RETURN(const int64_t version, ReadNumber(archive, *entry));
  if (other == nullptr) return version;
  FERRY_ASSIGN_OR_RETURN(const int64_t second, ReadNumber(archive, *other));
  if (version == second) return version;
  return base::MakeStatus(absl::StatusCode::kDataLoss, "has two versions, {} {} and {} {}; save it anew", entry->name,
                          version, other->name, second);
}

absl::StatusOr<TorchScriptInfo> Describe(std::unique_ptr<const ZipArchive> archive) {
  FERRY_RETURN_IF_ERROR(CheckByteOrder(*archive));
  TorchScriptInfo info;
  info.producer = "PyTorch";
  FERRY_RETURN_IF_ERROR(ReadCode(*archive, info));
  FERRY_ASSIGN_OR_RETURN(info.passport, ReadPassportEntry(*archive));
  FERRY_ASSIGN_OR_RETURN(info.version, ReadVersion(*archive));
  auto content = std::make_shared<ScriptContent>();
  FERRY_ASSIGN_OR_RETURN(content->data_pickle, DescribeTensors(*archive, "data.pkl", "data", true, info));
  FERRY_ASSIGN_OR_RETURN(content->constants_pickle,
                         DescribeTensors(*archive, "constants.pkl", "constants", false, info));
  content->archive = std::move(archive);
  info.content = std::move(content);
  return info;
}

}  // namespace

absl::StatusOr<TorchScriptInfo> DescribeTorchScript(std::shared_ptr<const File> file) {
  FERRY_ASSIGN_OR_RETURN(std::unique_ptr<ZipArchive> archive, ZipArchive::Open(file));
  absl::StatusOr<TorchScriptInfo> info = Describe(std::move(archive));
  if (!info.ok()) return base::Annotate(info.status(), file->name());
  return info;
}

std::vector<std::string> MethodsOf(const TorchScriptInfo& info) {
  constexpr std::string_view kDef = "\n  def ";
  const auto sources = ClassSources(info);
  const auto found = sources.find(info.module_class);
  std::vector<std::string> methods;
  if (found == sources.end()) return methods;
  const std::string_view source = found->second;
  for (size_t at = source.find(kDef); at != std::string_view::npos; at = source.find(kDef, at + 1)) {
    const std::string_view name = source.substr(at + kDef.size(), source.find('(', at) - at - kDef.size());
    if (!name.starts_with("__")) methods.emplace_back(name);
  }
  return methods;
}

std::unordered_map<std::string, std::string_view> ClassSources(const TorchScriptInfo& info) {
  constexpr std::string_view kFolder = "code/";
  constexpr std::string_view kSuffix = ".py";
  std::unordered_map<std::string, std::string_view> sources;
  for (size_t i = 0; i < info.code_files.size(); ++i) {
    std::string module = info.code_files[i].substr(kFolder.size());
    module.resize(module.size() - kSuffix.size());
    std::ranges::replace(module, '/', '.');
    const std::string_view text = info.code_texts[i];
    size_t begin = text.starts_with(kClass) ? 0 : NextClass(text, 0);
    while (begin != std::string_view::npos) {
      const size_t end = NextClass(text, begin);
      const std::string_view source = text.substr(begin, end - begin);
      const std::string_view name = source.substr(kClass.size(), source.find_first_of("(:") - kClass.size());
      sources.emplace(fmt::format("{}.{}", module, name), source);
      begin = end;
    }
  }
  return sources;
}

}  // namespace torchferry::checkpoint
