#!/usr/bin/env python3
"""Prints what Triton's ModelConfig consists of, as the JSON table that descriptor_test.cc holds ours against.

Needs tritonclient[grpc] (the table was made from 2.73.0):
    dump_triton_model_config.py > triton_model_config.json
"""
import importlib.metadata
import json

from google.protobuf import descriptor_pb2
from tritonclient.grpc import model_config_pb2

FIELD = descriptor_pb2.FieldDescriptorProto


def lower(enum_type, value, prefix):
    return enum_type.Name(value).removeprefix(prefix).lower()


def field_facts(message, field):
    facts = {
        "number": field.number,
        "type": lower(FIELD.Type, field.type, "TYPE_"),
        "label": lower(FIELD.Label, field.label, "LABEL_"),
    }
    if field.type_name:
        facts["type_name"] = field.type_name.removeprefix(".")
    if field.HasField("oneof_index") and not field.proto3_optional:
        facts["oneof"] = message.oneof_decl[field.oneof_index].name
    return facts


def add_enum(enum, prefix, table):
    table["enums"][prefix + enum.name] = {value.name: value.number for value in enum.value}


def add_message(message, prefix, table):
    name = prefix + message.name
    table["messages"][name] = {field.name: field_facts(message, field) for field in message.field}
    for enum in message.enum_type:
        add_enum(enum, name + ".", table)
    for nested in message.nested_type:
        add_message(nested, name + ".", table)


def main():
    file = descriptor_pb2.FileDescriptorProto()
    model_config_pb2.DESCRIPTOR.CopyToProto(file)
    table = {"source": "tritonclient " + importlib.metadata.version("tritonclient"),
             "package": file.package, "enums": {}, "messages": {}}
    for enum in file.enum_type:
        add_enum(enum, file.package + ".", table)
    for message in file.message_type:
        add_message(message, file.package + ".", table)
    print(json.dumps(table, indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
