#include "server/checkpoint/zip.h"

#include "server/checkpoint/limits.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using testing::AsFile;
using testing::Bytes;
using testing::Deflated;
using testing::Fails;
using testing::Fixture;
using testing::FixtureBytes;
using ::testing::HasSubstr;
using testing::ZipBuilder;

absl::Status OpenBytes(std::string bytes) { return ZipArchive::Open(AsFile(std::move(bytes))).status(); }

ZipBuilder::Entry DeflatedEntry(std::string name, const std::string& text) {
  ZipBuilder::Entry entry;
  entry.name = std::move(name);
  entry.data = Deflated(text);
  entry.size = text.size();
  entry.method = 8;
  entry.crc = static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
  return entry;
}

TEST(ZipTest, ReadsStoredDeflatedAndZip64Alike) {
  const auto stored = ZipArchive::Open(Fixture("module.pt"));
  ASSERT_TRUE(stored.ok()) << stored.status();
  for (const std::string name : {"deflated.pt", "zip64.pt"}) {
    const auto other = ZipArchive::Open(Fixture(name));
    ASSERT_TRUE(other.ok()) << other.status();
    ASSERT_EQ((*other)->entries().size(), (*stored)->entries().size());
    EXPECT_EQ((*other)->top_folder(), "module");
    for (const ZipEntry& entry : (*stored)->entries()) {
      const ZipEntry* twin = (*other)->Find(entry.name);
      ASSERT_NE(twin, nullptr) << entry.name;
      EXPECT_EQ(*(*other)->ReadString(*twin, 10'000), *(*stored)->ReadString(entry, 10'000));
    }
  }
  EXPECT_NE(FixtureBytes("zip64.pt").find("PK\x06\x06"), std::string::npos);  // ZIP64's own record
}

// `head`, a hole of zeros, `tail`: a file of any size without its bytes.
class HoleyFile final : public File {
 public:
  HoleyFile(std::string head, uint64_t hole, std::string tail)
      : File("big.pt", head.size() + hole + tail.size()), head_(std::move(head)), tail_(std::move(tail)) {}

 protected:
  absl::Status DoRead(uint64_t offset, std::span<std::byte> out) const override {
    const uint64_t tail_begin = size() - tail_.size();
    for (std::byte& b : out) {
      const char c = offset < head_.size() ? head_[offset] : offset >= tail_begin ? tail_[offset - tail_begin] : '\0';
      b = static_cast<std::byte>(c);
      ++offset;
    }
    return absl::OkStatus();
  }

 private:
  const std::string head_;
  const std::string tail_;
};

TEST(ZipTest, EntriesAndOffsetsBeyondFourGibibytes) {
  constexpr uint64_t kBig = uint64_t{5} << 30;
  const auto common = [](const std::string& name, uint64_t extra) {
    return Bytes(45, 2) + Bytes(0, 12) + Bytes(0xFFFFFFFF, 4) + Bytes(0xFFFFFFFF, 4) + Bytes(name.size(), 2) +
           Bytes(extra, 2);
  };
  const auto zip64 = [](std::initializer_list<uint64_t> values) {
    std::string extra = Bytes(1, 2) + Bytes(8 * values.size(), 2);
    for (const uint64_t value : values) extra += Bytes(value, 8);
    return extra;
  };
  const auto directory_entry = [&](const std::string& name, uint64_t size, uint64_t offset) {
    return "PK\x01\x02" + Bytes(45, 2) + common(name, 28) + Bytes(0, 10) + Bytes(0xFFFFFFFF, 4) + name +
           zip64({size, size, offset});
  };
  const std::string head = "PK\x03\x04" + common("a/big", 20) + "a/big" + zip64({kBig, kBig});
  const uint64_t second = head.size() + kBig;
  std::string tail = "PK\x03\x04" + common("a/x", 20) + "a/x" + zip64({4, 4}) + "last";
  const uint64_t directory = second + tail.size();
  const std::string entries = directory_entry("a/big", kBig, 0) + directory_entry("a/x", 4, second);
  tail += entries;
  tail += "PK\x06\x06" + Bytes(44, 8) + Bytes(45, 2) + Bytes(45, 2) + Bytes(0, 8) + Bytes(2, 8) + Bytes(2, 8) +
          Bytes(entries.size(), 8) + Bytes(directory, 8);
  tail += "PK\x06\x07" + Bytes(0, 4) + Bytes(directory + entries.size(), 8) + Bytes(1, 4);
  tail += "PK\x05\x06" + Bytes(0, 4) + Bytes(0xFFFF, 2) + Bytes(0xFFFF, 2) + Bytes(0xFFFFFFFF, 4) +
          Bytes(0xFFFFFFFF, 4) + Bytes(0, 2);
  const auto zip = ZipArchive::Open(std::make_shared<HoleyFile>(head, kBig, tail));
  ASSERT_TRUE(zip.ok()) << zip.status();
  EXPECT_EQ((*zip)->Find("big")->size_bytes, kBig);
  EXPECT_EQ(*(*zip)->ReadString(*(*zip)->Find("x"), 10), "last");
}

TEST(ZipTest, OffsetsPointAtTheData) {
  const std::string bytes = ZipBuilder().Add("a/x", "hello").Add("a/dir/y", "you").Build();
  const auto zip = ZipArchive::Open(AsFile(bytes));
  ASSERT_TRUE(zip.ok()) << zip.status();
  const ZipEntry& y = *(*zip)->Find("dir/y");
  EXPECT_EQ(bytes.substr(y.file_offset, y.stored_bytes), "you");
  EXPECT_EQ((*zip)->Find("z"), nullptr);
}

TEST(ZipTest, ReadStringKeepsItsLimit) {
  const auto zip = ZipArchive::Open(AsFile(ZipBuilder().Add("a/x", "hello").Build()));
  EXPECT_THAT((*zip)->ReadString((*zip)->entries()[0], 4).status(),
              Fails(StatusCode::kResourceExhausted, HasSubstr("5 bytes; at most 4")));
}

TEST(ZipTest, NothingMayStandBehindOrBeforeTheArchive) {
  // Readers differ in what they make of it.
  const std::string bytes = ZipBuilder().Add("a/x", "hello").Build();
  EXPECT_FALSE(OpenBytes(bytes + "x").ok());
  EXPECT_THAT(OpenBytes("x" + bytes), Fails(StatusCode::kDataLoss, HasSubstr("directory is not where")));
  EXPECT_FALSE(OpenBytes(bytes.substr(0, bytes.size() - 2) + Bytes(4, 2) + "PK\x05\x06").ok());
}

TEST(ZipTest, FolderEntriesAreLeftOut) {
  const auto zip = ZipArchive::Open(AsFile(ZipBuilder().Add("a/", "").Add("a/x", "1").Build()));
  ASSERT_TRUE(zip.ok()) << zip.status();
  EXPECT_EQ((*zip)->entries().size(), 1u);
}

TEST(ZipTest, EachTruncationIsAnError) {
  const std::string whole = ZipBuilder().Add("a/data.pkl", "N.").Add("a/data/0", "1234").Build();
  ASSERT_TRUE(OpenBytes(whole).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(OpenBytes(whole.substr(0, size)), Fails(StatusCode::kDataLoss, HasSubstr("m/1/model.pt"))) << size;
  }
  EXPECT_THAT(OpenBytes(whole.substr(0, 50)),
              Fails(StatusCode::kDataLoss, HasSubstr("truncated zip: 50 bytes, end-of-archive record missing")));
}

TEST(ZipTest, FlippedBytesNeverCrash) {
  const std::string whole = FixtureBytes("deflated.pt");
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ 0xFF);
    const auto zip = ZipArchive::Open(AsFile(bytes));
    if (!zip.ok()) continue;
    for (const ZipEntry& entry : (*zip)->entries()) (void)(*zip)->ReadString(entry, 100'000);
  }
}

TEST(ZipTest, NamesThatLeaveTheFolderAreRefused) {
  for (const std::string name : {"a/../x", "/a/x", "a//x", "a\\x", "a/./x", "../x", "a/x\n"}) {
    EXPECT_THAT(OpenBytes(ZipBuilder().Add(name, "1").Build()),
                Fails(StatusCode::kDataLoss, HasSubstr("leave its folder")))
        << name;
  }
}

TEST(ZipTest, EntriesOutsideOneTopFolderAreAnotherKindOfZip) {
  EXPECT_THAT(OpenBytes(ZipBuilder().Add("arr_0.npy", "1").Build()),
              Fails(StatusCode::kInvalidArgument, HasSubstr("\"arr_0.npy\"")));
  EXPECT_THAT(OpenBytes(ZipBuilder().Add("a/x", "1").Add("b/x", "1").Build()),
              Fails(StatusCode::kInvalidArgument, HasSubstr("\"b/x\"")));
  EXPECT_THAT(OpenBytes(ZipBuilder().Build()), Fails(StatusCode::kInvalidArgument, HasSubstr("empty zip")));
}

TEST(ZipTest, DuplicatesAreRefused) {
  EXPECT_THAT(OpenBytes(ZipBuilder().Add("a/x", "1").Add("a/x", "2").Build()),
              Fails(StatusCode::kDataLoss, HasSubstr("\"a/x\" is there twice")));
}

TEST(ZipTest, NamesThatDifferInCaseAloneAreRefused) {
  // LibTorch's reader ignores case: it would load one of the two, and which one nobody can tell.
  for (const auto& [one, other] : {std::pair("a/data.pkl", "a/DATA.pkl"), std::pair("a/code/x.py", "a/Code/x.PY")}) {
    EXPECT_THAT(OpenBytes(ZipBuilder().Add(one, "1").Add("a/between", "").Add(other, "2").Build()),
                Fails(StatusCode::kDataLoss, HasSubstr("differ in nothing but case")));
  }
}

TEST(ZipTest, OverlappingEntriesAreRefused) {
  // The first entry's data is a local header and more, and the second entry points into it.
  const std::string inner = ZipBuilder().Add("a/y", "12345678").Build();
  const size_t local_bytes = 30 + 3;
  ZipBuilder builder;
  builder.Add("a/x", inner.substr(0, local_bytes + 8));
  ZipBuilder::Entry twin;
  twin.name = "a/y";
  twin.data = "12345678";
  twin.offset = local_bytes;
  builder.Add(twin);
  EXPECT_THAT(OpenBytes(builder.Build()), Fails(StatusCode::kDataLoss, HasSubstr("overlap")));
}

TEST(ZipTest, LocalHeadersMustAgreeWithTheDirectory) {
  ZipBuilder builder;
  builder.Add("a/x", "12345678");
  ZipBuilder::Entry twin;
  twin.name = "a/y";
  twin.data = "12345678";
  twin.offset = 0;
  builder.Add(twin);
  EXPECT_THAT(OpenBytes(builder.Build()), Fails(StatusCode::kDataLoss, HasSubstr("local header that contradicts")));
}

TEST(ZipTest, BombIsRefusedBeforeAnythingIsInflated) {
  ZipBuilder::Entry bomb = DeflatedEntry("a/data/0", std::string(1000, '\0'));
  bomb.size = 0xF0000000;  // 4 GB
  EXPECT_THAT(OpenBytes(ZipBuilder().Add(bomb).Build()),
              Fails(StatusCode::kDataLoss, AllOf(HasSubstr("inflate to more than"), HasSubstr("a/data/0"))));
}

TEST(ZipTest, InflatedSizeMustBeExact) {
  for (const int change : {-1, 1}) {
    ZipBuilder::Entry entry = DeflatedEntry("a/x", "some text, some text");
    entry.size = static_cast<uint64_t>(static_cast<int64_t>(entry.size) + change);
    const auto zip = ZipArchive::Open(AsFile(ZipBuilder().Add(entry).Build()));
    ASSERT_TRUE(zip.ok()) << zip.status();
    EXPECT_THAT((*zip)->ReadString((*zip)->entries()[0], 1000).status(),
                Fails(StatusCode::kDataLoss, HasSubstr("inflate")));
  }
}

TEST(ZipTest, WrongCrcOfADeflatedEntryIsDataLoss) {
  ZipBuilder::Entry entry = DeflatedEntry("a/x", "some text");
  entry.crc ^= 1;
  const auto zip = ZipArchive::Open(AsFile(ZipBuilder().Add(entry).Build()));
  ASSERT_TRUE(zip.ok());
  EXPECT_THAT((*zip)->ReadString((*zip)->entries()[0], 1000).status(), Fails(StatusCode::kDataLoss, HasSubstr("CRC")));
}

TEST(ZipTest, EncryptedAndUnknownMethodsAreRefused) {
  ZipBuilder::Entry entry = DeflatedEntry("a/x", "some text");
  entry.flags = 1;
  EXPECT_THAT(OpenBytes(ZipBuilder().Add(entry).Build()), Fails(StatusCode::kDataLoss, HasSubstr("encrypted")));
  entry.flags = 0;
  entry.method = 93;
  EXPECT_THAT(OpenBytes(ZipBuilder().Add(entry).Build()), Fails(StatusCode::kDataLoss, HasSubstr("method 93")));
}

TEST(ZipTest, LongNamesAndSizesPastTheEndAreRefused) {
  EXPECT_THAT(OpenBytes(ZipBuilder().Add("a/" + std::string(2000, 'x'), "1").Build()),
              Fails(StatusCode::kDataLoss, HasSubstr("name has 2002 bytes")));
  std::string bytes = ZipBuilder().Add("a/x", "1234").Build();
  // Both headers' sizes: the local one at 18 and 22, the directory's 20 and 24 bytes into it.
  const size_t directory = bytes.find("PK\x01\x02");
  for (const size_t at : {size_t{18}, size_t{22}, directory + 20, directory + 24}) {
    bytes.replace(at, 4, testing::Bytes(100'000, 4));
  }
  EXPECT_THAT(OpenBytes(bytes), Fails(StatusCode::kDataLoss, HasSubstr("past the end")));
}

}  // namespace
}  // namespace torchferry::checkpoint
