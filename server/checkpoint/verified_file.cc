#include "server/checkpoint/verified_file.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/checkpoint/sha256.h"

namespace torchferry::checkpoint {
namespace {

// What is hashed again for a byte of it: large enough that the digests of a file of 100 GB take 12 MB.
constexpr uint64_t kPieceBytes = 256 << 10;

class VerifiedFile final : public File {
 public:
  VerifiedFile(std::shared_ptr<const File> file, std::string sha256, std::vector<Sha256Digest> pieces)
      : File(file->name(), file->size(), file->identity()),
        file_(std::move(file)),
        sha256_(std::move(sha256)),
        pieces_(std::move(pieces)) {}

  std::string known_sha256() const override { return sha256_; }

 protected:
  absl::Status DoRead(uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      const uint64_t piece = offset / kPieceBytes;
      const uint64_t inside = offset % kPieceBytes;
      const auto count = static_cast<size_t>(std::min<uint64_t>(out.size(), BytesOf(piece) - inside));
      const std::span<std::byte> part = out.first(count);
      // What is hashed is the caller's own copy: nobody else writes to that.
      FERRY_RETURN_IF_ERROR(count == BytesOf(piece) ? ReadPiece(piece, part) : ReadInside(piece, inside, part));
      offset += count;
      out = out.subspan(count);
    }
    return absl::OkStatus();
  }

 private:
  struct Piece {
    uint64_t index;
    std::vector<std::byte> bytes;
  };

  uint64_t BytesOf(uint64_t piece) const { return std::min(kPieceBytes, size() - piece * kPieceBytes); }

  absl::Status ReadPiece(uint64_t piece, std::span<std::byte> out) const {
    FERRY_RETURN_IF_ERROR(file_->Read(piece * kPieceBytes, out));
    FERRY_ASSIGN_OR_RETURN(const Sha256Digest digest, Sha256Of(out));
    if (digest == pieces_[piece]) return absl::OkStatus();
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "{}: was changed after its SHA-256 was found on the trusted list (in the {} bytes from "
                            "byte {} on); load the version again",
                            name(), out.size(), piece * kPieceBytes);
  }

  // Small reads follow one another: the last piece is kept.
  absl::Status ReadInside(uint64_t piece, uint64_t inside, std::span<std::byte> out) const {
    std::shared_ptr<const Piece> last = Last();
    if (last == nullptr || last->index != piece) {
      auto read = std::make_shared<Piece>(Piece{piece, std::vector<std::byte>(BytesOf(piece))});
      FERRY_RETURN_IF_ERROR(ReadPiece(piece, read->bytes));
      last = std::move(read);
      base::MutexLock lock(mutex_);
      last_ = last;
    }
    std::memcpy(out.data(), last->bytes.data() + inside, out.size());
    return absl::OkStatus();
  }

  std::shared_ptr<const Piece> Last() const {
    base::MutexLock lock(mutex_);
    return last_;
  }

  const std::shared_ptr<const File> file_;
  const std::string sha256_;
  const std::vector<Sha256Digest> pieces_;
  mutable base::Mutex mutex_;
  mutable std::shared_ptr<const Piece> last_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::shared_ptr<const File>> VerifyFile(std::shared_ptr<const File> file,
                                                       const TrustedDigests& trusted) {
  Sha256Stream whole;
  std::vector<Sha256Digest> pieces;
  std::vector<std::byte> bytes(std::min(file->size(), kPieceBytes));
  for (uint64_t offset = 0; offset < file->size(); offset += bytes.size()) {
    bytes.resize(std::min(file->size() - offset, kPieceBytes));
    FERRY_RETURN_IF_ERROR(file->Read(offset, bytes));
    whole.Add(bytes);
    FERRY_ASSIGN_OR_RETURN(const Sha256Digest piece, Sha256Of(bytes));
    pieces.push_back(piece);
  }
  FERRY_ASSIGN_OR_RETURN(const Sha256Digest digest, whole.Finish());
  FERRY_RETURN_IF_ERROR(trusted.Check(digest, file->name()));
  return std::make_shared<const VerifiedFile>(std::move(file), ToHex(digest), std::move(pieces));
}

}  // namespace torchferry::checkpoint
