// The legacy format beyond what PyTorch of today writes: older pickles, and files that are damaged
// or hostile. checkpoint_test.cc has the fixtures.
#include "server/checkpoint/legacy_checkpoint.h"

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using testing::AsFile;
using testing::Bytes;
using testing::Dict;
using testing::Fails;
using testing::Global;
using ::testing::HasSubstr;
using testing::Int;
using testing::Pickle;
using testing::Str;
using testing::Tuple;

// A file with one float tensor "w" of 4 elements; each part may be replaced.
struct Legacy {
  std::string version = Int(1001);
  std::string system = Dict("little_endian", "\x88");
  std::string object = Dict("w", testing::Tensor());
  std::string keys = "]" + Str("0") + "a";
  std::string storages = Bytes(4, 8) + std::string(16, '\x01');

  std::string Build() const {
    const std::string magic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
    return Pickle(magic) + Pickle(version) + Pickle(system) + Pickle(object) + Pickle(keys) + storages;
  }
};

absl::StatusOr<std::unique_ptr<Checkpoint>> Open(const Legacy& legacy) {
  return Checkpoint::Open(AsFile(legacy.Build()));
}

std::string Storage(const std::string& view, const std::string& numel = Int(4)) {
  return Tuple({Str("storage"), Global("torch", "FloatStorage"), Str("0"), Str("cpu"), numel, view}) + "Q";
}

TEST(LegacyTest, ReadsWhatPython2AndPyTorch0Wrote) {
  // collections.OrderedDict([[key, value], …]), str as bytes, numel as a LONG, and the first
  // version of the rebuild function.
  const std::string tensor =
      Global("torch._utils", "_rebuild_tensor") +
      Tuple({Storage("N", "\x8a\x01\x04"), "K" + Bytes(1, 1), Tuple({Int(3)}), Tuple({Int(1)})}) + "R";
  const auto opened = Open({.object = Global("collections", "OrderedDict") + "](](U\x01w" + tensor + "ee\x85R"});
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_EQ((*opened)->tensors().size(), 1u);
  EXPECT_EQ((*opened)->tensors()[0].key, "w");
  EXPECT_EQ((*opened)->tensors()[0].shape, tensor::Shape{3});
  EXPECT_EQ((*opened)->tensors()[0].storage_offset, 1);
}

TEST(LegacyTest, ReadStorageChecksItsBuffer) {
  const auto opened = Open({});
  ASSERT_TRUE(opened.ok()) << opened.status();
  std::vector<std::byte> bytes(16);
  EXPECT_TRUE((*opened)->ReadStorage(0, bytes).ok());
  EXPECT_EQ(bytes[15], std::byte{1});
  EXPECT_FALSE((*opened)->ReadStorage(0, std::span(bytes).first(15)).ok());
  EXPECT_FALSE((*opened)->ReadStorage(1, bytes).ok());
}

TEST(LegacyTest, PicklesLargerThanTheFirstWindowAreRead) {
  const std::string padding = Str("note") + Str(std::string(1'000'000, 'x'));
  const auto opened = Open({.object = "}(" + padding + Str("w") + testing::Tensor() + Str("v") + "Nu"});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ((*opened)->index().other_entries, (std::vector<std::string>{"note", "v"}));
  EXPECT_THAT(Open({.object = "}(" + padding + Global("os", "system") + "Nu"}).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("os.system")));
  EXPECT_THAT(Open({.system = padding + "0"}).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("the system's description has more than")));
}

TEST(LegacyTest, DamageIsNamed) {
  const auto expect = [](const Legacy& legacy, const std::string& message) {
    EXPECT_THAT(Open(legacy).status(),
                Fails(StatusCode::kDataLoss, AllOf(HasSubstr("m/1/model.pt"), HasSubstr(message))));
  };
  expect({.version = Int(7)}, "version 1001");
  expect({.version = "N"}, "version 1001");
  expect({.system = "N"}, "byte order");
  expect({.system = "}"}, "byte order");
  expect({.system = Dict("little_endian", "N")}, "byte order");
  expect({.object = Dict("w", "NQ")}, "persistent id");
  expect({.object = Dict("w", testing::Tensor({.numel = int64_t{1} << 62}))}, "more than any file");
  expect({.keys = "N"}, "the list of storages is a None");
  expect({.keys = "]Na"}, "the list of storages holds a None");
  expect({.keys = "]"}, "storage \"0\" is not in the file's list");
  expect({.keys = "](" + Str("0") + Str("1") + "e"}, "nothing refers to storage \"1\"");
  const std::string storage = Bytes(4, 8) + std::string(16, '\x01');
  expect({.keys = "](" + Str("0") + Str("0") + "e", .storages = storage + storage}, "listed twice");
  expect({.storages = Bytes(3, 8) + std::string(16, '\x01')}, "4 elements, and 3 where");
  expect({.storages = Bytes(~uint64_t{0}, 8) + std::string(16, '\x01')}, "elements, and");
  expect({.storages = Bytes(4, 8) + std::string(15, '\x01')}, "breaks off at byte");
  // Two ids of one storage that disagree.
  expect({.object = "}(" + Str("a") + testing::Tensor() + Str("b") +
                    testing::Tensor({.numel = 3, .shape = Tuple({}), .strides = Tuple({})}) + "u"},
         "said to hold 3 elements");
}

TEST(LegacyTest, SoundFilesThatAreNotReadSayWhy) {
  EXPECT_THAT(Open({.system = Dict("little_endian", "\x89")}).status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("byte order \"big\"")));
  const std::string view = Tuple({Str("9"), Int(0), Int(4)});
  EXPECT_THAT(Open({.object = Dict("w", Storage(view))}).status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("is a view of another storage")));
  EXPECT_THAT(Open({.object = Dict("model", Dict("w", testing::Tensor()))}).status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("training checkpoint")));
  EXPECT_TRUE(Checkpoint::Open(AsFile(Legacy{.object = Dict("model", Dict("w", testing::Tensor()))}.Build()),
                               [](const CheckpointOutline&) -> absl::StatusOr<std::string> { return "model"; })
                  .ok());
  // A whole model whose one class is there as a persistent id alone.
  EXPECT_THAT(Open({.object = Tuple({Str("module"), Global("zoo", "Net"), "N", "N"}) + "Q)\x81}b"}).status(),
              Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr("whole model"), HasSubstr("zoo.Net"))));
}

TEST(LegacyTest, EachPrefixIsAnError) {
  for (const std::string name : {"legacy_tied.pt", "legacy_dtypes.pt", "legacy_protocol4.pt"}) {
    const std::string whole = testing::FixtureBytes(name);
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(Checkpoint::Open(AsFile(whole.substr(0, size))).ok()) << name << " " << size;
    }
  }
}

TEST(LegacyTest, EachFlippedByteIsReadOrRefused) {
  const std::string whole = testing::FixtureBytes("legacy_tied.pt");
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(~damaged[at]);
    const auto opened = Checkpoint::Open(AsFile(std::move(damaged)));
    if (!opened.ok()) continue;
    for (size_t i = 0; i < (*opened)->storages().size(); ++i) {
      std::vector<std::byte> bytes((*opened)->storages()[i].size_bytes);
      EXPECT_TRUE((*opened)->ReadStorage(i, bytes).ok()) << at;
    }
  }
}

}  // namespace
}  // namespace torchferry::checkpoint
