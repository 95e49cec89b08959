#include "server/checkpoint/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "server/checkpoint/file_digest.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using testing::Fails;
using ::testing::HasSubstr;

TEST(FileTest, ReadsByPositionFromDiskAndMemory) {
  const std::string path = ::testing::TempDir() + "torchferry_file_test";
  std::ofstream(path) << "0123456789";
  const auto disk = File::Open(path, "m/1/f");
  ASSERT_TRUE(disk.ok());
  const auto memory = File::FromBytes("0123456789", "m/1/f");
  for (const File* file : std::array<const File*, 2>{disk->get(), memory.get()}) {
    std::array<std::byte, 3> out;
    ASSERT_TRUE(file->Read(7, out).ok());
    EXPECT_EQ(out[0], std::byte{'7'});
    EXPECT_EQ(out[2], std::byte{'9'});
    EXPECT_TRUE(file->Read(10, std::span(out).first(0)).ok());
    EXPECT_THAT(file->Read(8, out), Fails(absl::StatusCode::kDataLoss, HasSubstr("m/1/f: ends at byte 10")));
    EXPECT_FALSE(file->Read(UINT64_MAX, out).ok());
  }
}

TEST(FileTest, FileThatShrinksWhileReadIsAnError) {
  const std::string path = ::testing::TempDir() + "torchferry_shrinking";
  std::ofstream(path) << "0123456789";
  const auto file = File::Open(path, "m/1/f");
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(::truncate(path.c_str(), 5), 0);
  std::array<std::byte, 8> out;
  EXPECT_THAT((*file)->Read(0, out), Fails(absl::StatusCode::kDataLoss, HasSubstr("became shorter")));
}

TEST(FileTest, OpenNamesWhatIsNoReadableFile) {
  EXPECT_THAT(File::Open("/nonexistent/x", "m/1/x").status(), Fails(absl::StatusCode::kNotFound, HasSubstr("m/1/x")));
  EXPECT_THAT(File::Open("/tmp", "m/1").status(), Fails(absl::StatusCode::kInvalidArgument, HasSubstr("a directory")));
  EXPECT_THAT(File::Open("/dev/null", "m/1/null").status(),
              Fails(absl::StatusCode::kInvalidArgument, HasSubstr("a device")));
  const std::string pipe = ::testing::TempDir() + "torchferry_pipe";
  std::filesystem::remove(pipe);
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(File::Open(pipe, "m/1/pipe").ok());  // and does not wait for a writer
}

TEST(FileTest, Sha256OfKnownTexts) {
  // FIPS 180-4's examples.
  EXPECT_EQ(*Sha256(*File::FromBytes("", "f")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(*Sha256(*File::FromBytes("abc", "f")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // Several pieces; by sha256sum.
  EXPECT_EQ(*Sha256(*File::FromBytes(std::string(3'000'000, 'a'), "f")),
            "2a152c894398719c0570f83fac34ac03a0f6e8e474b995c2403aa5434f7b9dd4");
}

TEST(FileDigestTest, IsTheFilesAndToldOnce) {
  const std::shared_ptr<const File> file = File::FromBytes("abc", "m/1/x");
  int told = 0;
  std::string hex;
  {
    FileDigest digest(file, [&](const std::string& done) {
      ++told;
      hex = done;
    });
    digest.Wait();
    // FIPS 180-2, appendix B.1.
    EXPECT_EQ(digest.Get(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(digest.Get(), *Sha256(*file));
  }
  EXPECT_EQ(told, 1);
  EXPECT_EQ(hex.size(), 64u);
}

TEST(FileDigestTest, EndsWithoutTheRestOfTheFile) {
  const std::shared_ptr<const File> file = File::FromBytes(std::string(8 << 20, 'x'), "m/1/x");
  int pieces = 0;
  EXPECT_EQ(Sha256(*file, [&](uint64_t) { return ++pieces < 2; }).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(pieces, 2);
  FileDigest digest(file);  // dropped at once
}

}  // namespace
}  // namespace torchferry::checkpoint
