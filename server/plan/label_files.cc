#include "server/plan/label_files.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>

#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/checkpoint/file.h"
#include "server/tensor/request_limits.h"

namespace torchferry::plan {
namespace {

absl::StatusOr<std::vector<std::string>> ReadFile(const base::StoreFolder& folder, const std::string& name,
                                                  const std::string& shown) {
  FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<checkpoint::File> file, checkpoint::File::Open(folder, name, shown));
  if (file->size() > static_cast<uint64_t>(limits::kMaxLabelFileBytes)) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "{} has {} bytes; expected at most {}, a line for each "
                            "class",
                            shown, file->size(), limits::kMaxLabelFileBytes);
  }
  std::string text(file->size(), '\0');
  FERRY_RETURN_IF_ERROR(file->Read(0, std::as_writable_bytes(std::span(text))));
  if (!base::IsUtf8(text)) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} is not UTF-8; expected text, a line for each class",
                            shown);
  }
  std::vector<std::string> labels;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (labels.size() == limits::kMaxLabels || line.size() > limits::kMaxLabelBytes) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "{}:{}: expected at most {} lines of at most {} bytes, one for each class", shown,
                              labels.size() + 1, limits::kMaxLabels, limits::kMaxLabelBytes);
    }
    labels.emplace_back(line);
  }
  return labels;
}

}  // namespace

absl::StatusOr<std::map<std::string, std::vector<std::string>>> ReadLabels(const base::StoreFolder& store,
                                                                           const std::string& model,
                                                                           const config::ModelConfig& config) {
  std::map<std::string, std::vector<std::string>> by_output;
  std::map<std::string, std::string> read;  // the output that has a file's labels
  for (const config::TensorConfig& output : config.outputs) {
    const std::string& name = output.label_filename;
    if (name.empty()) continue;
    if (const auto it = read.find(name); it != read.end()) {
      by_output[output.name] = by_output[it->second];
      continue;
    }
    absl::StatusOr<std::vector<std::string>> labels = ReadFile(store / model, name, fmt::format("{}/{}", model, name));
    if (!labels.ok()) {
      return base::Annotate(labels.status(), fmt::format("label_filename of output \"{}\"", output.name));
    }
    by_output[output.name] = *std::move(labels);
    read[name] = output.name;
  }
  return by_output;
}

}  // namespace torchferry::plan
