#include "server/config/text_parser.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/config/field_table.h"
#include "server/config/findings.h"
#include "server/config/suggestion.h"
#include "server/config/text_positions.h"

namespace torchferry::config {
namespace {

namespace pb = google::protobuf;

// Configurations are some kilobytes; the parser's cost is bounded by this.
constexpr size_t kMaxTextBytes = 1 << 20;
// No field of ModelConfig lies deeper; the parser recurses.
constexpr int kMaxDepth = 32;

struct ParserError {
  TextPosition at;
  std::string message;
};

class FirstError : public pb::io::ErrorCollector {
 public:
  void AddError(int line, pb::io::ColumnNumber column, const std::string& message) override {
    if (!error_) error_ = ParserError{{line + 1, column + 1}, message};
  }
  const std::optional<ParserError>& error() const { return error_; }

 private:
  std::optional<ParserError> error_;
};

// The text between the n-th pair of quotation marks, from 0.
std::string Quoted(std::string_view message, int n) {
  size_t begin = 0;
  for (int i = 0; i < 2 * n + 1; ++i) begin = message.find('"', begin) + 1;
  return std::string(message.substr(begin, message.find('"', begin) - begin));
}

std::vector<std::string> FieldNames(const pb::Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

std::vector<std::string> ValueNames(const pb::EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    const std::string& name = type.value(i)->name();
    if (!name.ends_with("_INVALID")) names.push_back(name);
  }
  return names;
}

// The path of a field of that name anywhere in ModelConfig; empty if there is none.
std::string_view PathOfFieldNamed(const std::string& name) {
  for (const FieldRule& rule : FieldTable()) {
    if (rule.path == name || rule.path.ends_with("." + name)) return rule.path;
  }
  return {};
}

// The descriptor of the field that a path of field names leads to, or null.
const pb::FieldDescriptor* FieldAt(const std::vector<std::string>& path) {
  const pb::Descriptor* type = inference::ModelConfig::descriptor();
  const pb::FieldDescriptor* field = nullptr;
  for (const std::string& name : path) {
    field = type == nullptr ? nullptr : type->FindFieldByName(name);
    if (field == nullptr) return nullptr;
    type = field->message_type();
  }
  return field;
}

std::string UnknownField(const std::string& type_name, const std::string& field) {
  const pb::Descriptor* type = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(type_name);
  if (type == nullptr) return fmt::format("unknown field {}", field);
  const std::vector<std::string> known = FieldNames(*type);
  const std::string what = fmt::format("{} has no field {}", type->name(), field);
  if (const auto nearest = NearestName(field, known)) {
    return fmt::format("{}; did you mean {}?", what, *nearest);
  }
  if (const std::string_view path = PathOfFieldNamed(field); !path.empty()) {
    return fmt::format("{}; did you mean {}?", what, path);
  }
  return fmt::format("{}; expected one of {}", what, fmt::join(known, ", "));
}

std::string UnknownEnumValue(const std::string& value, const std::string& field_name,
                             const pb::FieldDescriptor* field) {
  if (field == nullptr || field->enum_type() == nullptr) {
    return fmt::format("{} is {}, which is no value of it", field_name, value);
  }
  const auto nearest = NearestName(value, ValueNames(*field->enum_type()));
  return fmt::format("{} is {}; expected one of {}{}", field_name, value, EnumValueNames(*field->enum_type()),
                     nearest ? fmt::format("; did you mean {}?", *nearest) : "");
}

// TextFormat's message as part of a sentence, and with the end of the file by that name.
std::string Plain(std::string message) {
  if (message.size() > 1 && std::islower(static_cast<unsigned char>(message[1])) != 0) {
    message[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(message[0])));
  }
  for (const std::string_view nothing : {"found \"\".", "got: "}) {
    if (!message.ends_with(nothing)) continue;
    message.resize(message.size() - nothing.size());
    return message + "found the end of the file";
  }
  return message;
}

// TextFormat's message in our words, at the token that is wrong: for names and values that it has
// read before it finds them wrong it reports the token after.
ParserError InOurWords(const ParserError& error, std::string_view text) {
  const std::string& message = error.message;
  const TextPosition before = TokenBefore(text, error.at);
  const auto path_to = [&](TextPosition at) { return TextPositions::Scan(text).PathTo(at); };
  if (message.find(" has no field named ") != std::string::npos) {
    return {before, UnknownField(Quoted(message, 0), Quoted(message, 1))};
  }
  if (message.starts_with("Unknown enumeration value")) {
    return {before, UnknownEnumValue(Quoted(message, 0), Quoted(message, 1), FieldAt(path_to(before)))};
  }
  if (message.starts_with("Invalid value for boolean field")) {
    return {before, fmt::format("{} is {}; expected true or false", Quoted(message, 0), Quoted(message, 1))};
  }
  if (message.find(" is specified multiple times") != std::string::npos) {
    return {before, fmt::format("{} is given twice; expected once", Quoted(message, 0))};
  }
  if (message.find(" is specified along with field ") != std::string::npos) {
    return {before,
            fmt::format("{} and {} are both given; expected one of them", Quoted(message, 1), Quoted(message, 0))};
  }
  const std::string plain = Plain(message);
  const std::vector<std::string> path = path_to(error.at);
  return {error.at, path.empty() ? plain : fmt::format("{}: {}", path.back(), plain)};
}

}  // namespace

absl::StatusOr<inference::ModelConfig> ParseModelConfigText(std::string_view text, std::string_view file) {
  Findings findings(file);
  if (text.size() > kMaxTextBytes) {
    findings.Error({}, "the file has {} bytes; expected at most {}", text.size(), kMaxTextBytes);
    return findings.status();
  }
  pb::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  FirstError errors;
  pb::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.SetRecursionLimit(kMaxDepth);
  inference::ModelConfig config;
  if (parser.Parse(&input, &config) && !errors.error()) return config;
  const ParserError error = InOurWords(errors.error().value_or(ParserError{{}, "not readable"}), text);
  findings.Error(error.at, "{}", error.message);
  return findings.status();
}

std::string EnumValueNames(const pb::EnumDescriptor& type) {
  return fmt::format("{}", fmt::join(ValueNames(type), ", "));
}

}  // namespace torchferry::config
