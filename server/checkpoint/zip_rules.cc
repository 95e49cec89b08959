#include "server/checkpoint/zip_rules.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

bool HasUnsafePart(std::string_view name) {
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    const bool is_folder_mark = part.empty() && end == name.size() && begin > 0;
    if (part == ".." || part == "." || (part.empty() && !is_folder_mark)) return true;
    begin = end + 1;
  }
  return false;
}

absl::Status CheckName(const ZipEntry& entry) {
  if (!IsCleanUtf8(entry.name) || entry.name.find('\\') != std::string::npos || HasUnsafePart(entry.name)) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "zip entry {} has a name that could leave its folder or be misread", Quoted(entry.name));
  }
  return absl::OkStatus();
}

// As LibTorch's reader and file systems that ignore case compare them.
std::string Folded(std::string_view name) {
  std::string folded(name);
  for (char& c : folded) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return folded;
}

absl::Status CheckNoDuplicates(std::span<const ZipEntry> entries) {
  std::vector<std::pair<std::string, std::string_view>> names;
  names.reserve(entries.size());
  for (const ZipEntry& entry : entries) names.emplace_back(Folded(entry.name), entry.name);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names, {}, [](const auto& name) { return name.first; });
  if (twice == names.end()) return absl::OkStatus();
  const std::string_view one = twice->second;
  const std::string_view other = std::next(twice)->second;
  if (one == other) return base::MakeStatus(absl::StatusCode::kDataLoss, "zip entry {} is there twice", Quoted(one));
  return base::MakeStatus(absl::StatusCode::kDataLoss,
                          "zip entries {} and {} differ in nothing but case, and readers do not agree which is meant",
                          Quoted(one), Quoted(other));
}

absl::Status CheckNoOverlap(std::span<const ZipEntry> entries) {
  std::vector<const ZipEntry*> by_offset;
  for (const ZipEntry& entry : entries) {
    if (entry.stored_bytes > 0) by_offset.push_back(&entry);
  }
  std::ranges::sort(by_offset, {}, &ZipEntry::file_offset);
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const ZipEntry& before = *by_offset[i - 1];
    if (before.file_offset + before.stored_bytes > by_offset[i]->file_offset) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "zip entries {} and {} overlap in the file",
                              Quoted(before.name), Quoted(by_offset[i]->name));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckInflation(std::span<const ZipEntry> entries, uint64_t file_size) {
  // file_size is below 2^63, but 20 times it need not be.
  const uint64_t limit =
      limits::kFreeInflatedBytes +
      limits::kMaxInflationRatio * std::min(file_size, UINT64_MAX / (2 * limits::kMaxInflationRatio));
  uint64_t left = limit;
  for (const ZipEntry& entry : entries) {
    if (!entry.is_compressed) continue;
    if (entry.size_bytes > left) {
      return base::MakeStatus(absl::StatusCode::kDataLoss,
                              "its compressed entries inflate to more than {} bytes, the limit for a file of {} bytes "
                              "(reached at zip entry {}). Store them uncompressed, like torch.save",
                              limit, file_size, Quoted(entry.name));
    }
    left -= entry.size_bytes;
  }
  return absl::OkStatus();
}

// A zip whose entries are not all in one folder: what people do put there.
absl::Status ForeignZip(std::span<const ZipEntry> entries, const ZipEntry& outside) {
  const auto ends_with = [](const ZipEntry& entry, std::initializer_list<std::string_view> ends) {
    return std::ranges::any_of(ends, [&](std::string_view end) { return entry.name.ends_with(end); });
  };
  if (ends_with(outside, {".npy"})) {
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "is a NumPy archive (.npz), not a model: it holds {}; in Python, torch.save(dict(numpy.load(\"model.npz\")), "
        "\"model.pt\") makes a state_dict of it",
        Quoted(outside.name));
  }
  for (const ZipEntry& entry : entries) {
    if (entry.name == "model.weights.h5") {
      return absl::InvalidArgumentError("is a Keras model (.keras), which is not served; convert the model to PyTorch");
    }
    if (ends_with(entry, {".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".jit"})) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "is a zip around {}; unpack it and put that file here", Quoted(entry.name));
    }
  }
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "is a zip, but not one that PyTorch wrote: entry {} is not inside one top folder with the "
                          "others. Save the model again with torch.save or torch.jit.save",
                          Quoted(outside.name));
}

}  // namespace

absl::StatusOr<std::string> FindTopFolder(std::span<const ZipEntry> entries, ZipLayout layout) {
  if (entries.empty()) return absl::InvalidArgumentError("is an empty zip; download or copy the file again");
  for (const ZipEntry& entry : entries) FERRY_RETURN_IF_ERROR(CheckName(entry));
  const bool is_flat = layout == ZipLayout::kOneFolderOrProgram &&
                       std::ranges::find(entries, kFlatProgramEntry, &ZipEntry::name) != entries.end();
  if (is_flat) return "";
  std::string top;
  for (const ZipEntry& entry : entries) {
    const size_t slash = entry.name.find('/');
    const std::string folder = slash == std::string::npos ? "" : entry.name.substr(0, slash);
    if (top.empty()) top = folder;
    if (folder.empty() || folder != top) return ForeignZip(entries, entry);
  }
  return top;
}

absl::Status CheckArchive(std::span<const ZipEntry> entries, uint64_t file_size) {
  FERRY_RETURN_IF_ERROR(CheckNoDuplicates(entries));
  FERRY_RETURN_IF_ERROR(CheckNoOverlap(entries));
  return CheckInflation(entries, file_size);
}

}  // namespace torchferry::checkpoint
