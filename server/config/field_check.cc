#include "server/config/field_check.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "server/base/json.h"
#include "server/base/utf8.h"
#include "server/config/field_table.h"
#include "server/config/map_keys.h"
#include "server/config/text_parser.h"

namespace torchferry::config {
namespace {

namespace pb = google::protobuf;
using pb::FieldDescriptor;

std::vector<const FieldDescriptor*> PresentFields(const pb::Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  return fields;
}

int ValueCount(const pb::Message& message, const FieldDescriptor& field) {
  return field.is_repeated() ? message.GetReflection()->FieldSize(message, &field) : 1;
}

const pb::Message& MessageAt(const pb::Message& message, const FieldDescriptor& field, int index) {
  const pb::Reflection& reflection = *message.GetReflection();
  return field.is_repeated() ? reflection.GetRepeatedMessage(message, &field, index)
                             : reflection.GetMessage(message, &field);
}

std::string StringAt(const pb::Message& message, const FieldDescriptor& field, int index) {
  const pb::Reflection& reflection = *message.GetReflection();
  return field.is_repeated() ? reflection.GetRepeatedString(message, &field, index)
                             : reflection.GetString(message, &field);
}

int EnumAt(const pb::Message& message, const FieldDescriptor& field, int index) {
  const pb::Reflection& reflection = *message.GetReflection();
  return field.is_repeated() ? reflection.GetRepeatedEnumValue(message, &field, index)
                             : reflection.GetEnumValue(message, &field);
}

void CheckValue(const pb::Message& message, const FieldDescriptor& field, int index, TextPosition at,
                Findings& findings) {
  if (field.type() == FieldDescriptor::TYPE_STRING) {
    if (!base::IsUtf8(StringAt(message, field, index))) {
      findings.Error(at, "{} is not UTF-8; expected text in UTF-8", field.name());
    }
  } else if (field.enum_type() != nullptr) {
    const int number = EnumAt(message, field, index);
    if (field.enum_type()->FindValueByNumber(number) == nullptr) {
      findings.Error(at, "{} is {}; expected one of {}", field.name(), number, EnumValueNames(*field.enum_type()));
    }
  }
}

void CheckMapKeys(const pb::Message& message, const FieldDescriptor& field, const TextPositions& positions,
                  Findings& findings) {
  if (field.message_type()->map_key()->type() != FieldDescriptor::TYPE_STRING) return;
  std::set<std::string> seen;
  for (const MapKey& entry : MapKeys(message, field.name(), positions)) {
    if (!base::IsUtf8(entry.key)) {
      findings.Error(entry.at, "{} has the key {}, which is not UTF-8; expected text in UTF-8", field.name(),
                     base::JsonQuote(entry.key));
    }
    if (seen.insert(entry.key).second) continue;
    findings.Warn(entry.at, "{} has the key {} twice; the last one counts", field.name(), base::JsonQuote(entry.key));
  }
}

void CheckWellFormedIn(const pb::Message& message, const TextPositions& positions, Findings& findings) {
  for (const FieldDescriptor* field : PresentFields(message)) {
    if (field->is_map()) CheckMapKeys(message, *field, positions, findings);
    for (int i = 0; i < ValueCount(message, *field); ++i) {
      if (field->message_type() != nullptr) {
        CheckWellFormedIn(MessageAt(message, *field, i), positions.In(field->name(), i), findings);
      } else {
        CheckValue(message, *field, i, positions.Of(field->name(), i), findings);
      }
    }
  }
}

void CheckFieldTableIn(const pb::Message& message, const TextPositions& positions, const std::string& prefix,
                       Findings& findings) {
  for (const FieldDescriptor* field : PresentFields(message)) {
    const std::string path = prefix + field->name();
    const FieldRule* rule = FindFieldRule(path);
    if (rule == nullptr || rule->effect == FieldEffect::kRefused) {
      findings.Error(positions.Of(field->name()), "{} is not supported: {}", path,
                     rule == nullptr ? "it has no row in the field table" : rule->reason);
    } else if (rule->effect == FieldEffect::kIgnored) {
      findings.Warn(positions.Of(field->name()), "{} has no effect: {}", path, rule->reason);
    } else if (field->message_type() != nullptr && !field->is_map()) {
      for (int i = 0; i < ValueCount(message, *field); ++i) {
        CheckFieldTableIn(MessageAt(message, *field, i), positions.In(field->name(), i), path + ".", findings);
      }
    }
  }
}

}  // namespace

void CheckWellFormed(const inference::ModelConfig& config, const TextPositions& positions, Findings& findings) {
  CheckWellFormedIn(config, positions, findings);
}

void CheckFieldTable(const inference::ModelConfig& config, const TextPositions& positions, Findings& findings) {
  CheckFieldTableIn(config, positions, "", findings);
}

}  // namespace torchferry::config
