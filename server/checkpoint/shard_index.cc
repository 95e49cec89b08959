#include "server/checkpoint/shard_index.h"

#include <nlohmann/json.hpp>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

using nlohmann::json;

// No document is built, so depth costs nothing.
class IndexReader final : public nlohmann::json_sax<json> {
 public:
  const absl::Status& error() const { return error_; }
  bool has_map() const { return has_map_; }
  ShardIndex Take() { return std::move(index_); }

  bool start_object(size_t) override { return Open(); }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override {
    if (depth_ == 0 || (is_map_ && depth_ <= 2)) return Misplaced("a list");
    return Open();
  }
  bool end_array() override { return Close(); }

  bool key(std::string& text) override {
    if (depth_ == 1) {
      is_map_ = text == "weight_map";
      if (is_map_ && has_map_) return Fail("weight_map twice");
      has_map_ |= is_map_;
      return true;
    }
    if (!IsInMap()) return true;
    if (!IsCleanUtf8(text) || text.size() > limits::kMaxKeyBytes) {
      return Fail("a tensor's name that is no clean text of up to {} bytes: {}", limits::kMaxKeyBytes, Quoted(text));
    }
    if (!tensors_.insert(text).second) return Fail("tensor {} twice", Quoted(text));
    if (tensors_.size() > limits::kMaxSafetensorsTensors) {
      return Fail("more than {} tensors", limits::kMaxSafetensorsTensors);
    }
    tensor_ = text;
    return true;
  }

  bool string(std::string& text) override {
    if (depth_ == 0) return Misplaced("a string");
    if (!IsInMap()) return is_map_ && depth_ == 1 ? Misplaced("a string") : true;
    constexpr size_t kMaxNameBytes = 255;  // of a file, on Linux
    const bool is_name = !text.empty() && text.size() <= kMaxNameBytes && text.front() != '.' && IsCleanUtf8(text) &&
                         text.find('/') == std::string::npos;
    if (!is_name) {
      return Fail("the part {} of tensor {}; expected the name of a file beside the index", Quoted(text),
                  Quoted(tensor_));
    }
    const auto [known, is_new] = files_.try_emplace(text, index_.files.size());
    if (is_new) index_.files.push_back(text);
    if (index_.files.size() > limits::kMaxShards) return Fail("more than {} parts", limits::kMaxShards);
    index_.weight_map.emplace_back(tensor_, known->second);
    return true;
  }

  bool number_unsigned(uint64_t) override { return Scalar("a number"); }
  bool number_integer(int64_t) override { return Scalar("a number"); }
  bool number_float(double, const std::string&) override { return Scalar("a number"); }
  bool null() override { return Scalar("null"); }
  bool boolean(bool) override { return Scalar("a boolean"); }
  bool binary(json::binary_t&) override { return Scalar("bytes"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return Fail("no JSON from byte {} on", position);
  }

 private:
  bool IsInMap() const { return is_map_ && depth_ == 2; }
  bool Open() {
    if (IsInMap()) return Misplaced("a nested value");
    ++depth_;
    return true;
  }
  bool Close() {
    --depth_;
    return true;
  }
  bool Scalar(std::string_view what) { return depth_ == 0 || (is_map_ && depth_ <= 2) ? Misplaced(what) : true; }
  bool Misplaced(std::string_view what) {
    return Fail("{} where {} is expected", what,
                IsInMap() ? "the name of a file" : (depth_ == 0 ? "an object" : "the weight_map"));
  }
  template <typename... Args>
  bool Fail(fmt::format_string<Args...> format, Args&&... args) {
    error_ = absl::DataLossError("the index holds " + fmt::format(format, std::forward<Args>(args)...));
    return false;
  }

  size_t depth_ = 0;
  bool is_map_ = false;  // the value of the outermost object that is being read is the weight_map
  bool has_map_ = false;
  std::string tensor_;
  std::unordered_set<std::string> tensors_;
  std::unordered_map<std::string, size_t> files_;
  ShardIndex index_;
  absl::Status error_;
};

}  // namespace

bool HasShardIndex(std::string_view head) {
  const size_t start = head.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || head[start] != '{') return false;
  const auto has = [&](std::string_view text) { return head.find(text) != std::string_view::npos; };
  return has("\"weight_map\"") || (has("\"metadata\"") && has("\"total_size\""));
}

absl::StatusOr<ShardIndex> ParseShardIndex(std::string_view text) {
  IndexReader reader;
  if (!json::sax_parse(text.begin(), text.end(), &reader)) return reader.error();
  if (!reader.has_map()) {
    return absl::DataLossError("the index holds no weight_map, which says which tensor is in which file");
  }
  return reader.Take();
}

absl::StatusOr<ShardIndex> ReadShardIndex(const File& file) {
  if (file.size() > limits::kMaxShardIndexBytes) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "{}: the index has {} bytes; at most {} are read", file.name(),
                            file.size(), limits::kMaxShardIndexBytes);
  }
  std::string text(file.size(), '\0');
  FERRY_RETURN_IF_ERROR(file.Read(0, std::as_writable_bytes(std::span<char>(text))));
  absl::StatusOr<ShardIndex> index = ParseShardIndex(text);
  if (!index.ok()) return base::Annotate(index.status(), file.name());
  return index;
}

}  // namespace torchferry::checkpoint
