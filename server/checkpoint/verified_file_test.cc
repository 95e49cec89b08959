#include "server/checkpoint/verified_file.h"

#include <random>
#include <thread>

#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using testing::AsFile;
using testing::Fails;
using ::testing::HasSubstr;

constexpr size_t kPiece = 256 << 10;

// A file on disk, which somebody may write to.
class VerifiedFileTest : public ::testing::Test {
 protected:
  // Verified against a list that has it.
  std::shared_ptr<const File> Verified(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    const std::shared_ptr<const File> file = *File::Open(path_, "m/1/model.pt");
    auto verified = VerifyFile(file, ListOf(bytes));
    EXPECT_TRUE(verified.ok()) << verified.status();
    return *verified;
  }

  static TrustedDigests ListOf(const std::string& bytes) {
    return *TrustedDigests::Parse(*Sha256(*AsFile(bytes)) + "  model.pt\n", "list");
  }

  // In place: the same inode.
  void Overwrite(size_t at, const std::string& bytes) const {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file << bytes;
  }

  static std::string Random(size_t count) {
    std::mt19937 engine(7);
    std::string bytes(count, '\0');
    for (char& c : bytes) c = static_cast<char>(engine());
    return bytes;
  }

  static absl::StatusOr<std::string> Read(const File& file, size_t at, size_t count) {
    std::string out(count, '\0');
    const absl::Status status = file.Read(at, std::as_writable_bytes(std::span(out)));
    if (!status.ok()) return status;
    return out;
  }

  // Of this case alone: others run beside it.
  const std::string path_ =
      ::testing::TempDir() + "torchferry_verified_" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(VerifiedFileTest, GivesTheBytesOfTheFile) {
  for (const size_t size : {size_t{0}, size_t{1}, kPiece - 1, kPiece, kPiece + 1, 3 * kPiece, 3 * kPiece + 17}) {
    const std::string bytes = Random(size);
    const auto file = Verified(bytes);
    EXPECT_EQ(file->size(), size);
    EXPECT_EQ(file->known_sha256(), *Sha256(*AsFile(bytes)));
    EXPECT_EQ(*Read(*file, 0, size), bytes);
    for (const size_t at : {size_t{0}, size / 3, size / 2, size - std::min<size_t>(size, 5)}) {
      for (const size_t count : {size_t{0}, size_t{1}, size_t{5}, kPiece, kPiece + 9}) {
        if (at + count > size) continue;
        EXPECT_EQ(*Read(*file, at, count), bytes.substr(at, count)) << at << " " << count;
      }
    }
    EXPECT_FALSE(Read(*file, size, 1).ok());
  }
}

TEST_F(VerifiedFileTest, AFileThatIsNotListedIsRefused) {
  EXPECT_THAT(VerifyFile(AsFile("other", "m/1/a.pt"), ListOf("one")).status(),
              Fails(absl::StatusCode::kFailedPrecondition, HasSubstr("m/1/a.pt: its SHA-256 d9298a10d1b0735837dc4bd")));
}

TEST_F(VerifiedFileTest, BytesThatAreWrittenAfterTheCheckAreNeverGiven) {
  const std::string bytes = Random(3 * kPiece + 100);
  const auto file = Verified(bytes);
  EXPECT_EQ(*Read(*file, 2 * kPiece, 10), bytes.substr(2 * kPiece, 10));
  Overwrite(kPiece + 5, "x" + std::string(1, static_cast<char>(bytes[kPiece + 6] + 1)));
  for (const auto& [at, count] : std::vector<std::pair<size_t, size_t>>{
           {kPiece, 1}, {kPiece, kPiece}, {0, 2 * kPiece}, {kPiece - 1, 2}, {2 * kPiece - 1, 1}}) {
    EXPECT_THAT(Read(*file, at, count).status(),
                Fails(absl::StatusCode::kDataLoss, HasSubstr("m/1/model.pt: was changed after")))
        << at << " " << count;
  }
  EXPECT_EQ(*Read(*file, 0, kPiece), bytes.substr(0, kPiece));
  EXPECT_EQ(*Read(*file, 3 * kPiece, 100), bytes.substr(3 * kPiece));
}

TEST_F(VerifiedFileTest, ThreadsReadAtTheSameTime) {
  const std::string bytes = Random(4 * kPiece);
  const auto file = Verified(bytes);
  std::vector<std::jthread> readers;
  for (size_t thread = 0; thread < 4; ++thread) {
    readers.emplace_back([&, thread] {
      for (size_t i = 0; i < 200; ++i) {
        const size_t at = (i * 7919 * (thread + 1)) % (bytes.size() - 100);
        EXPECT_EQ(*Read(*file, at, 100), bytes.substr(at, 100));
      }
    });
  }
}

TEST_F(VerifiedFileTest, TheDigestIsNotComputedAgain) {
  const auto file = Verified("0123456789");
  Overwrite(0, "x");
  EXPECT_EQ(*Sha256(*file), *Sha256(*AsFile("0123456789")));
}

}  // namespace
}  // namespace torchferry::checkpoint
