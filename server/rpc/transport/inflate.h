// Inflates bytes that a client compressed, a piece at a time.
#pragma once

#include <google/protobuf/io/zero_copy_stream.h>
#include <zlib.h>

#include <array>
#include <cstdint>

namespace torchferry::rpc {

// Reads the formats of gzip and zlib, which gRPC calls "gzip" and "deflate". It holds one inflated piece, whatever the
// whole size is.
class InflatingStream final : public google::protobuf::io::ZeroCopyInputStream {
 public:
  explicit InflatingStream(google::protobuf::io::ZeroCopyInputStream& compressed);
  ~InflatingStream() override;
  InflatingStream(const InflatingStream&) = delete;
  InflatingStream& operator=(const InflatingStream&) = delete;

  bool Next(const void** data, int* size) override;
  void BackUp(int count) override { backed_up_ = count; }
  bool Skip(int count) override;
  int64_t ByteCount() const override { return count_ - backed_up_; }

  // Whether all has been inflated, checksum included, and nothing follows.
  bool IsWhole() const { return is_whole_; }
  // Whether the bytes read so far cannot be inflated.
  bool HasFailed() const { return !can_go_on_ && !is_whole_; }

 private:
  bool Inflate();  // the next piece; false at the end, and for bytes that cannot be inflated
  bool HasMore();  // whether bytes follow the end

  google::protobuf::io::ZeroCopyInputStream& compressed_;
  z_stream zlib_{};
  bool can_go_on_ = false;
  bool is_whole_ = false;
  int64_t count_ = 0;
  int piece_size_ = 0;
  int backed_up_ = 0;
  std::array<uint8_t, 16384> piece_;
};

}  // namespace torchferry::rpc
