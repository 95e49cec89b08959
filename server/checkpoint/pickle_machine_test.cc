#include "server/checkpoint/pickle_machine.h"

#include "server/checkpoint/limits.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using ::testing::AllOf;
using testing::Bytes;
using testing::Dict;
using testing::Fails;
using testing::Global;
using ::testing::HasSubstr;
using testing::Int;
using ::testing::IsEmpty;
using testing::Pickle;
using testing::Str;
using testing::Tuple;

// The bytes stay with the tree that points into them.
struct Reading {
  explicit Reading(std::string pickle) : bytes(std::move(pickle)) {
    status = ReadPickle(bytes, CheckpointGlobals(), tree);
  }
  const PickleNode& root() const { return tree[tree.root]; }

  std::string bytes;
  PickleTree tree;
  absl::Status status;
};

void ExpectDataLoss(const std::string& pickle, const std::string& message) {
  EXPECT_THAT(Reading(pickle).status, Fails(absl::StatusCode::kDataLoss, HasSubstr(message))) << message;
}

TEST(PickleMachineTest, Scalars) {
  EXPECT_EQ(Reading(Pickle("K\x07")).root().integer, 7);
  EXPECT_EQ(Reading(Pickle("M\x01\x02")).root().integer, 0x201);
  EXPECT_EQ(Reading(Pickle("J\xff\xff\xff\xff")).root().integer, -1);
  EXPECT_EQ(Reading(Pickle("I-12\n")).root().integer, -12);
  EXPECT_EQ(Reading(Pickle("I01\n")).root().kind, PickleKind::kBool);
  EXPECT_EQ(Reading(Pickle(std::string("\x8a\x02\x00\x80", 4))).root().integer, -32768);
  EXPECT_EQ(Reading(Pickle(std::string("\x8a\x00", 2))).root().integer, 0);
  EXPECT_EQ(Reading(Pickle(Int(INT64_MIN))).root().integer, INT64_MIN);
  EXPECT_EQ(Reading(Pickle(std::string("G\x3f\xf8\0\0\0\0\0\0", 9))).root().real, 1.5);
  EXPECT_EQ(Reading(Pickle(Str("abc"))).root().text, "abc");
  EXPECT_EQ(Reading(Pickle("C\x02hi")).root().kind, PickleKind::kBytes);
  EXPECT_EQ(Reading(Pickle("\x88")).root().integer, 1);
}

TEST(PickleMachineTest, IntegersBeyondInt64AreNoIntegers) {
  const Reading run(Pickle("\x8a\x09" + Bytes(1, 8) + "\x01"));
  ASSERT_TRUE(run.status.ok());
  EXPECT_EQ(run.root().kind, PickleKind::kBigInt);
  ExpectDataLoss(Pickle("I9223372036854775808\n"), "no 64-bit integer");
  ExpectDataLoss(Pickle("\x8b\xff\xff\xff\x7f"), "breaks off");
}

TEST(PickleMachineTest, ContainersAndMemo) {
  // {"a": (1, [1, 1])} with 1 in the memo.
  const Reading run(Pickle("}" + Str("a") +
                           "K\x01q\x05](h\x05h\x05"
                           "e\x86s"));
  ASSERT_TRUE(run.status.ok()) << run.status;
  ASSERT_EQ(run.root().items.size(), 2u);
  const PickleNode& tuple = run.tree[run.root().items[1]];
  EXPECT_EQ(run.tree[tuple.items[1]].items.size(), 2u);
  EXPECT_EQ(run.tree[tuple.items[1]].items[0], tuple.items[0]);
}

TEST(PickleMachineTest, ProtocolFourOpcodes) {
  const Reading run("\x80\x04\x95" + Bytes(34, 8) +
                    "\x8c\x0b"
                    "collections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94.");
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_EQ(run.root().kind, PickleKind::kDict);
  ExpectDataLoss("\x80\x04\x95" + Bytes(1000, 8) + "N.", "a frame of 1000 bytes");
  ExpectDataLoss("\x80\x06N.", "protocol 6");
}

TEST(PickleMachineTest, OrderedDictKeepsEntriesAndState) {
  const Reading run(Pickle(Global("collections", "OrderedDict") + ")R" + Str("k") +
                           "Ks"
                           "s" +
                           Dict("_metadata", "}") + "b"));
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_EQ(run.root().items.size(), 2u);
  EXPECT_NE(run.root().state, kNoPickleRef);
}

TEST(PickleMachineTest, PythonTwosOrderedDictIsMadeOfPairs) {
  const Reading run(Pickle(Global("collections", "OrderedDict") + "(]("
                                                                  "](U\x01kK\x02"
                                                                  "ee"
                                                                  "tR"));
  ASSERT_TRUE(run.status.ok()) << run.status;
  EXPECT_EQ(run.root().kind, PickleKind::kDict);
  EXPECT_EQ(run.tree[run.root().items[1]].integer, 2);
}

TEST(PickleMachineTest, CyclesAndSharedNestsCostWhatTheirBytesCost) {
  const Reading cycle(Pickle("]q" + Bytes(0, 1) + "h" + Bytes(0, 1) + "a"));
  ASSERT_TRUE(cycle.status.ok()) << cycle.status;
  EXPECT_EQ(cycle.root().items[0], cycle.tree.root);
  std::string laughs = "N";
  for (int i = 0; i < 1000; ++i) laughs += "2\x86";
  const Reading nest(Pickle(laughs));
  ASSERT_TRUE(nest.status.ok()) << nest.status;
  EXPECT_EQ(nest.tree.nodes.size(), 1001u);
}

TEST(PickleMachineTest, DeepNestsNeitherRecurseNorOverflow) {
  std::string deep = "N";
  for (int i = 0; i < 1'000'000; ++i) deep += '\x85';
  EXPECT_TRUE(Reading(Pickle(deep)).status.ok());  // freed without recursion, too
  ExpectDataLoss(Pickle(std::string(limits::kMaxPickleMarks + 1, '(')), "nest more than 10000 deep");
}

TEST(PickleMachineTest, StackAndMemoAbuseIsRefused) {
  ExpectDataLoss(".", "stack is empty");
  ExpectDataLoss("\x86.", "stack is empty");
  ExpectDataLoss("NN(\x85.", "stack is empty");  // nothing below the MARK may be taken
  ExpectDataLoss("N(.", "MARK is still open");
  ExpectDataLoss("Nt.", "no MARK");
  ExpectDataLoss("h\x05.", "memo entry 5 was never set");
  ExpectDataLoss("Nr\xff\xff\xff\xff.", "memo entry 4294967295");
  ExpectDataLoss("0.", "stack is empty");
  ExpectDataLoss("q\x01.", "stack is empty");
}

TEST(PickleMachineTest, TooManyValuesAreRefused) {
  ExpectDataLoss(std::string(limits::kMaxPickleValues + 1, ']'), "more than 4000000 values");
  ExpectDataLoss("N" + std::string(limits::kMaxPickleValues, '2'), "stack holds more than 4000000");
}

TEST(PickleMachineTest, MappingsMadeOfOneBigDictDoNotMultiply) {
  std::string pickle = "}(";
  for (int i = 0; i < 20'000; ++i) pickle += "NN";
  pickle += "uq" + Bytes(0, 1) + Global("collections", "Counter") + "q\x01";
  for (int i = 0; i < 1000; ++i) pickle += "h\x01h" + Bytes(0, 1) + "\x85R";
  ExpectDataLoss(pickle, "mappings are made of more than");
}

TEST(PickleMachineTest, WrongTypesAreRefused) {
  ExpectDataLoss(Pickle("]NNs"), "opcode SETITEM at byte 5: on a list, which is no dict");
  ExpectDataLoss(Pickle("}Na"), "on a dict, which is no list");
  ExpectDataLoss(Pickle("}(Nu"), "a key has no value");
  ExpectDataLoss(Pickle("(Nd"), "a key has no value");
  ExpectDataLoss(Pickle("N)R"), "a call of None");
  ExpectDataLoss(Pickle(Global("torch", "float32") + ")R"), "a call of torch.float32");
  ExpectDataLoss(Pickle(Global("torch", "Size") + "NR"), "the arguments are a None");
  ExpectDataLoss(Pickle("N}b"), "state for a None");
  ExpectDataLoss("\x80\x04KaKb\x93.", "not two strings");
}

TEST(PickleMachineTest, UnknownOpcodesAreRefusedByNameAndOffset) {
  ExpectDataLoss("\x80\x02ios\nsystem\n.", "opcode INST at byte 2");
  ExpectDataLoss("\x80\x02(o.", "opcode OBJ at byte 3");
  ExpectDataLoss("\x82\x01.", "opcode EXT1");
  ExpectDataLoss(Pickle(")})R"), "a call of");
  ExpectDataLoss("\xff.", "0xff, which is no pickle opcode");
}

TEST(PickleMachineTest, ForeignGlobalsAreNotedOnceWithTheirUse) {
  const Reading run(Pickle(Global("os", "system") + Tuple({Str("id")}) + "R0" + Global("a.b", "Net") +
                           ")\x81"
                           "}b0" +
                           Global("a.b", "Net")));
  ASSERT_TRUE(run.status.ok()) << run.status;
  ASSERT_EQ(run.tree.foreign.size(), 2u);
  EXPECT_EQ(run.tree.foreign[0].name, "system");
  EXPECT_TRUE(run.tree.foreign[0].is_called);
  EXPECT_FALSE(run.tree.foreign[0].is_instantiated);
  EXPECT_TRUE(run.tree.foreign[1].is_instantiated);
}

TEST(PickleMachineTest, WhatIsMadeOfForeignNamesIsAnObjectThatStandsForNothing) {
  const std::string net = Global("a.b", "Net");
  for (const std::string& object : {net + ")\x81}b",                       // an instance with state
                                    net + ")}\x92",                        // with arguments that go by name
                                    net + ")R" + Tuple({Str("k")}) + "R",  // what was called gives what is called
                                    net + ")\x81" + Str("k") + "Ns",       // a dict of one's own
                                    net + ")\x81Na",                       // a list of one's own
                                    Tuple({Str("module"), net, Str("f"), Str("s")}) + "Q)\x81}b"}) {
    const Reading run(Pickle(Tuple({object, Int(7)})));
    ASSERT_TRUE(run.status.ok()) << run.status;
    EXPECT_EQ(run.tree[run.root().items[0]].kind, PickleKind::kObject);
    EXPECT_EQ(run.tree[run.root().items[1]].integer, 7);
  }
  // Beside them everything else is held to the rules.
  for (const std::string& wrong : {std::string("N)R"), std::string("N}b"), std::string("]NNs")}) {
    EXPECT_FALSE(Reading(Pickle(Tuple({net, wrong}))).status.ok()) << wrong;
  }
}

TEST(PickleMachineTest, LongLinesAreRefused) {
  ExpectDataLoss("c" + std::string(100'000, 'a'), "a line of text has no end within 1024 bytes");
}

TEST(PickleMachineTest, EachPrefixIsAnError) {
  const std::string whole = Pickle(Dict("w", testing::Tensor()));
  ASSERT_TRUE(Reading(whole).status.ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(Reading(whole.substr(0, size)).status.ok()) << size;
  }
}

}  // namespace
}  // namespace torchferry::checkpoint
