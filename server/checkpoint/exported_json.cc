#include "server/checkpoint/exported_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

using nlohmann::json;

// nlohmann's parser does not recurse, and gives events; of those in a value that is left out, only brackets are
// looked at.
class TreeBuilder final : public nlohmann::json_sax<json> {
 public:
  const absl::Status& error() const { return error_; }
  JsonValue Take() { return std::move(root_); }

  bool start_object(size_t) override { return Open(JsonValue::Kind::kObject); }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(JsonValue::Kind::kList); }
  bool end_array() override { return Close(); }

  bool key(std::string& text) override {
    if (left_out_depth_ > 0) return true;
    // A key that is left out has no value in the tree, and a second one of its name does no harm.
    leaves_out_ = text == "metadata" && HasMetadata();
    if (leaves_out_) return true;
    if (!open_.back().keys.insert(text).second) return Fail("key {} twice in one object", Quoted(text));
    key_ = std::move(text);
    return true;
  }

  bool string(std::string& text) override {
    JsonValue* value = Add(JsonValue::Kind::kString);
    if (value != nullptr) value->text = std::move(text);
    return error_.ok();
  }
  bool number_integer(int64_t integer) override {
    JsonValue* value = Add(JsonValue::Kind::kInt);
    if (value != nullptr) value->integer = integer;
    return error_.ok();
  }
  bool number_unsigned(uint64_t integer) override {
    if (integer <= static_cast<uint64_t>(INT64_MAX)) return number_integer(static_cast<int64_t>(integer));
    return left_out_depth_ > 0 || Fail("the integer {}, which has more than 64 bits", integer);
  }
  bool number_float(double number, const std::string&) override {
    JsonValue* value = Add(JsonValue::Kind::kFloat);
    if (value != nullptr) value->number = number;
    return error_.ok();
  }
  bool boolean(bool is_true) override {
    JsonValue* value = Add(JsonValue::Kind::kBool);
    if (value != nullptr) value->integer = is_true ? 1 : 0;
    return error_.ok();
  }
  bool null() override {
    Add(JsonValue::Kind::kNull);
    return error_.ok();
  }
  bool binary(json::binary_t&) override { return Fail("bytes"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    error_ = base::MakeStatus(absl::StatusCode::kDataLoss, "is no JSON from byte {} on", position);
    return false;
  }

 private:
  struct OpenValue {
    JsonValue* value;  // the last one of the value that is open around it, so it does not move
    std::unordered_set<std::string> keys;
  };

  // Whether the open object is the graph module or one of the nodes of a graph.
  bool HasMetadata() const {
    const size_t depth = open_.size();
    if (depth == 2 && open_[1].value->key == "graph_module") return true;
    return depth >= 2 && open_[depth - 2].value->kind == JsonValue::Kind::kList &&
           open_[depth - 2].value->key == "nodes";
  }

  bool Open(JsonValue::Kind kind) {
    if (left_out_depth_ > 0 || leaves_out_) {
      ++left_out_depth_;
      return true;
    }
    if (open_.size() == limits::kMaxProgramDepth) {
      return Fail("values that nest more than {} deep", limits::kMaxProgramDepth);
    }
    JsonValue* value = Add(kind);
    if (value == nullptr) return false;
    open_.push_back({value, {}});
    return true;
  }

  bool Close() {
    if (left_out_depth_ == 0) {
      open_.pop_back();
    } else if (--left_out_depth_ == 0) {
      leaves_out_ = false;
    }
    return true;
  }

  // Null where the value is left out, or breaks a limit.
  JsonValue* Add(JsonValue::Kind kind) {
    if (left_out_depth_ > 0) return nullptr;
    if (std::exchange(leaves_out_, false)) return nullptr;
    if (++values_ > limits::kMaxProgramValues) {
      Fail("more than {} values", limits::kMaxProgramValues);
      return nullptr;
    }
    JsonValue* value = &root_;
    if (!open_.empty()) {
      value = &open_.back().value->items.emplace_back();
      if (open_.back().value->kind == JsonValue::Kind::kObject) value->key = std::move(key_);
    }
    value->kind = kind;
    return value;
  }

  template <typename... Args>
  bool Fail(fmt::format_string<Args...> format, Args&&... args) {
    error_ = absl::DataLossError("holds " + fmt::format(format, std::forward<Args>(args)...));
    return false;
  }

  JsonValue root_;
  std::vector<OpenValue> open_;
  std::string key_;            // of the next value
  bool leaves_out_ = false;    // the next value, or the one that is open
  size_t left_out_depth_ = 0;  // open brackets of the value that is left out
  size_t values_ = 0;
  absl::Status error_;
};

}  // namespace

const JsonValue* JsonValue::Find(std::string_view name) const {
  if (kind != Kind::kObject) return nullptr;
  const auto found = std::ranges::find(items, name, &JsonValue::key);
  return found == items.end() ? nullptr : &*found;
}

std::string_view Name(JsonValue::Kind kind) {
  switch (kind) {
    case JsonValue::Kind::kBool:
      return "a boolean";
    case JsonValue::Kind::kInt:
      return "an integer";
    case JsonValue::Kind::kFloat:
      return "a number";
    case JsonValue::Kind::kString:
      return "a string";
    case JsonValue::Kind::kList:
      return "a list";
    case JsonValue::Kind::kObject:
      return "an object";
    case JsonValue::Kind::kNull:
      break;
  }
  return "null";
}

absl::StatusOr<JsonValue> ParseProgramJson(std::string_view text) {
  TreeBuilder builder;
  if (!json::sax_parse(text.begin(), text.end(), &builder)) return builder.error();
  return builder.Take();
}

}  // namespace torchferry::checkpoint
