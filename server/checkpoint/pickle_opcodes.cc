// The table of opcodes. Python's Lib/pickletools.py is the reference; those without a handler
// exist, but PyTorch's picklers do not write them for what a model file holds.
#include <array>

#include "server/checkpoint/pickle_machine.h"

namespace torchferry::checkpoint {
namespace {

using M = PickleMachine;
using enum PickleKind;

constexpr PickleOpcode kOpcodes[] = {
    {0x80, "PROTO", &M::Proto},
    {0x95, "FRAME", &M::Frame},
    {'.', "STOP", &M::Stop},
    {'N', "NONE", &M::None},
    {0x88, "NEWTRUE", &M::Bool<true>},
    {0x89, "NEWFALSE", &M::Bool<false>},
    {'I', "INT", &M::IntLine},
    {'K', "BININT1", &M::Unsigned<1>},
    {'M', "BININT2", &M::Unsigned<2>},
    {'J', "BININT", &M::SignedInt4},
    {0x8a, "LONG1", &M::Long<1>},
    {0x8b, "LONG4", &M::Long<4>},
    {'G', "BINFLOAT", &M::Float},
    {0x8c, "SHORT_BINUNICODE", &M::Text<kString, 1>},
    {'X', "BINUNICODE", &M::Text<kString, 4>},
    {0x8d, "BINUNICODE8", &M::Text<kString, 8>},
    // Python 2's str: text or bytes, nobody knows; names are what PyTorch used it for.
    {'U', "SHORT_BINSTRING", &M::Text<kString, 1>},
    {'T', "BINSTRING", &M::Text<kString, 4>},
    {'C', "SHORT_BINBYTES", &M::Text<kBytes, 1>},
    {'B', "BINBYTES", &M::Text<kBytes, 4>},
    {0x8e, "BINBYTES8", &M::Text<kBytes, 8>},
    {0x96, "BYTEARRAY8", &M::Text<kBytes, 8>},
    {'q', "BINPUT", &M::Put<1>},
    {'r', "LONG_BINPUT", &M::Put<4>},
    {'h', "BINGET", &M::Get<1>},
    {'j', "LONG_BINGET", &M::Get<4>},
    {0x94, "MEMOIZE", &M::Memoize},
    {'(', "MARK", &M::Mark},
    {'0', "POP", &M::PopOne},
    {'1', "POP_MARK", &M::PopMark},
    {'2', "DUP", &M::Dup},
    {')', "EMPTY_TUPLE", &M::Empty<kTuple>},
    {']', "EMPTY_LIST", &M::Empty<kList>},
    {'}', "EMPTY_DICT", &M::Empty<kDict>},
    {0x8f, "EMPTY_SET", &M::Empty<kList>},
    {'t', "TUPLE", &M::FromMark<kTuple>},
    {'l', "LIST", &M::FromMark<kList>},
    {'d', "DICT", &M::FromMark<kDict>},
    {0x91, "FROZENSET", &M::FromMark<kTuple>},
    {0x85, "TUPLE1", &M::ShortTuple<1>},
    {0x86, "TUPLE2", &M::ShortTuple<2>},
    {0x87, "TUPLE3", &M::ShortTuple<3>},
    {'a', "APPEND", &M::Append},
    {'e', "APPENDS", &M::Appends},
    {0x90, "ADDITEMS", &M::Appends},
    {'s', "SETITEM", &M::SetItem},
    {'u', "SETITEMS", &M::SetItems},
    {'c', "GLOBAL", &M::Global},
    {0x93, "STACK_GLOBAL", &M::StackGlobal},
    {'Q', "BINPERSID", &M::PersistentId},
    {'R', "REDUCE", &M::Reduce},
    {0x81, "NEWOBJ", &M::NewObject},
    {0x92, "NEWOBJ_EX", &M::NewObjectWithNames},
    {'b', "BUILD", &M::Build},
    {'P', "PERSID", nullptr},
    {'i', "INST", nullptr},
    {'o', "OBJ", nullptr},
    {0x82, "EXT1", nullptr},
    {0x83, "EXT2", nullptr},
    {0x84, "EXT4", nullptr},
    {'L', "LONG", nullptr},
    {'F', "FLOAT", nullptr},
    {'S', "STRING", nullptr},
    {'V', "UNICODE", nullptr},
    {'p', "PUT", nullptr},
    {'g', "GET", nullptr},
    {0x97, "NEXT_BUFFER", nullptr},
    {0x98, "READONLY_BUFFER", nullptr},
};

constexpr std::array<const PickleOpcode*, 256> ByCode() {
  std::array<const PickleOpcode*, 256> table = {};
  for (const PickleOpcode& opcode : kOpcodes) table[opcode.code] = &opcode;
  return table;
}

}  // namespace

const PickleOpcode* FindPickleOpcode(uint8_t code) {
  static constexpr std::array<const PickleOpcode*, 256> kByCode = ByCode();
  return kByCode[code];
}

}  // namespace torchferry::checkpoint
