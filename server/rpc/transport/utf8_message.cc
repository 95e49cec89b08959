#include "server/rpc/transport/utf8_message.h"

#include <google/protobuf/descriptor.pb.h>

#include <string>
#include <vector>

#include "server/base/utf8.h"

namespace torchferry::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void MakeStringsUtf8(const FieldDescriptor& field, const Reflection& reflection, Message& message) {
  std::string unused;
  if (!field.is_repeated()) {
    const std::string& text = reflection.GetStringReference(message, &field, &unused);
    if (!base::IsUtf8(text)) reflection.SetString(&message, &field, base::ToUtf8(text));
    return;
  }
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const std::string& text = reflection.GetRepeatedStringReference(message, &field, i, &unused);
    if (!base::IsUtf8(text)) reflection.SetRepeatedString(&message, &field, i, base::ToUtf8(text));
  }
}

void MakeMessagesUtf8(const FieldDescriptor& field, const Reflection& reflection, Message& message) {
  if (!field.is_repeated()) return MakeUtf8(*reflection.MutableMessage(&message, &field));
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i)
    MakeUtf8(*reflection.MutableRepeatedMessage(&message, &field, i));
}

}  // namespace

void MakeUtf8(Message& message) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  const bool is_map_entry = message.GetDescriptor()->options().map_entry();
  for (const FieldDescriptor* field : fields) {
    if (field->type() == FieldDescriptor::TYPE_STRING && !(is_map_entry && field->number() == 1)) {
      MakeStringsUtf8(*field, reflection, message);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      MakeMessagesUtf8(*field, reflection, message);
    }
  }
}

}  // namespace torchferry::rpc
