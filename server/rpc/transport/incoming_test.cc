#include "server/rpc/transport/incoming.h"

#include <gmock/gmock.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <grpc/byte_buffer.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/rpc/transport/inflate.h"
#include "server/rpc/transport/outgoing.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::rpc {
namespace {

using google::protobuf::io::ArrayInputStream;
using testing::HasSubstr;

enum class Format { kGzip, kZlib, kRaw };

std::string Compress(const std::string& plain, Format format = Format::kGzip) {
  z_stream stream{};
  const int bits = format == Format::kGzip ? 31 : format == Format::kZlib ? 15 : -15;
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, plain.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct Inflated {
  std::string text;
  bool is_whole = false;
};

Inflated Inflate(const std::string& compressed, int block) {
  ArrayInputStream in(compressed.data(), static_cast<int>(compressed.size()), block);
  InflatingStream inflating(in);
  Inflated result;
  const void* data = nullptr;
  int size = 0;
  while (inflating.Next(&data, &size)) result.text.append(static_cast<const char*>(data), static_cast<size_t>(size));
  EXPECT_EQ(inflating.ByteCount(), static_cast<int64_t>(result.text.size()));
  result.is_whole = inflating.IsWhole();
  return result;
}

std::string Plain(size_t size) {
  std::string plain(size, '\0');
  for (size_t i = 0; i < size; ++i) plain[i] = static_cast<char>(i * i >> 7);
  return plain;
}

TEST(InflatingStreamTest, GivesWhatWasCompressed) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{16384}, size_t{16385}, size_t{100'000}}) {
    for (const Format format : {Format::kGzip, Format::kZlib}) {
      for (const int block : {1, 7, 100'000}) {
        const Inflated inflated = Inflate(Compress(Plain(size), format), block);
        EXPECT_EQ(inflated.text, Plain(size));
        EXPECT_TRUE(inflated.is_whole) << size << " in blocks of " << block;
      }
    }
  }
}

TEST(InflatingStreamTest, WhatIsNotWholeSaysSo) {
  const std::string whole = Compress(Plain(50'000));
  for (const size_t length : {size_t{0}, size_t{5}, whole.size() / 2, whole.size() - 8, whole.size() - 1})
    EXPECT_FALSE(Inflate(whole.substr(0, length), 1000).is_whole) << length;
  std::string damaged = whole;
  damaged[damaged.size() - 6] ^= 1;  // the checksum
  EXPECT_FALSE(Inflate(damaged, 1000).is_whole);
  EXPECT_FALSE(Inflate(whole + "x", 1000).is_whole);
  EXPECT_FALSE(Inflate(whole + whole, 1000).is_whole);
  EXPECT_FALSE(Inflate("no such thing", 1000).is_whole);
  EXPECT_FALSE(Inflate(Compress("abc", Format::kRaw), 1000).is_whole);
}

TEST(InflatingStreamTest, SkipsAndBacksUp) {
  const std::string plain = Plain(60'000);
  const std::string compressed = Compress(plain);
  ArrayInputStream in(compressed.data(), static_cast<int>(compressed.size()), 100);
  InflatingStream inflating(in);
  EXPECT_TRUE(inflating.Skip(20'000));
  EXPECT_EQ(inflating.ByteCount(), 20'000);
  const void* data = nullptr;
  int size = 0;
  ASSERT_TRUE(inflating.Next(&data, &size));
  EXPECT_EQ(std::string(static_cast<const char*>(data), 10), plain.substr(20'000, 10));
  inflating.BackUp(size - 10);
  ASSERT_TRUE(inflating.Next(&data, &size));
  EXPECT_EQ(std::string(static_cast<const char*>(data), 10), plain.substr(20'010, 10));
  EXPECT_FALSE(inflating.Skip(60'000));
}

// What gRPC gives where a client has compressed.
grpc::ByteBuffer Received(const std::string& bytes, grpc_compression_algorithm compression) {
  grpc_slice slice = grpc_slice_from_copied_buffer(bytes.data(), bytes.size());
  grpc::ByteBuffer buffer;
  // The C++ class hides its C struct; they are the same pointer.
  static_assert(sizeof(grpc::ByteBuffer) == sizeof(grpc_byte_buffer*));
  *reinterpret_cast<grpc_byte_buffer**>(&buffer) = grpc_raw_compressed_byte_buffer_create(&slice, 1, compression);
  grpc_slice_unref(slice);
  return buffer;
}

v1::PredictRequest Request(size_t bytes) {
  v1::PredictRequest request;
  request.set_model_name("m");
  (*request.mutable_inputs())["x"].set_data(std::string(bytes, 'a'));
  return request;
}

constexpr int64_t kMaxLength = 1 << 20;
const google::protobuf::Descriptor& Type() { return *v1::PredictRequest::descriptor(); }

TEST(IncomingTest, ACompressedMessageCostsWhatItInflatesTo) {
  const v1::PredictRequest request = Request(500'000);
  for (const auto& [format, compression] :
       {std::pair(Format::kGzip, GRPC_COMPRESS_GZIP), std::pair(Format::kZlib, GRPC_COMPRESS_DEFLATE)}) {
    grpc::ByteBuffer bytes = Received(Compress(request.SerializeAsString(), format), compression);
    EXPECT_LT(bytes.Length(), 5000U);
    const auto memory = MemoryOf(bytes, Type(), kMaxLength);
    ASSERT_TRUE(memory.ok()) << memory.status();
    EXPECT_GT(*memory, 500'000);
    EXPECT_LT(*memory, 510'000);
    v1::PredictRequest read;
    ASSERT_TRUE(ParseInto(bytes, read).ok());
    EXPECT_EQ(read.SerializeAsString(), request.SerializeAsString());
    EXPECT_EQ(bytes.Length(), 0U);
  }
}

TEST(IncomingTest, ABombIsRefusedByItsInflatedSize) {
  grpc::ByteBuffer bytes = Received(Compress(Request(2 << 20).SerializeAsString()), GRPC_COMPRESS_GZIP);
  const absl::Status status = MemoryOf(bytes, Type(), kMaxLength).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("more than 1048576 bytes: send a smaller one"));
}

TEST(IncomingTest, WhatCannotBeInflatedSaysSo) {
  const std::string whole = Compress(Request(1000).SerializeAsString());
  for (const std::string& bytes : {whole.substr(0, whole.size() / 2), whole.substr(0, whole.size() - 1), whole + "x",
                                   std::string("no such thing"), std::string()}) {
    grpc::ByteBuffer received = Received(bytes, GRPC_COMPRESS_GZIP);
    if (bytes.empty()) continue;  // an empty message
    const absl::Status status = MemoryOf(received, Type(), kMaxLength).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(base::MessageOf(status), HasSubstr("cannot be inflated"));
  }
}

TEST(IncomingTest, ShortMessagesAreCountedAtTheirWorst) {
  grpc::ByteBuffer bytes = Serialized(Request(16));
  EXPECT_EQ(MemoryOf(bytes, Type(), kMaxLength).value(), static_cast<int64_t>(bytes.Length()) * 256);
  v1::PredictRequest read;
  EXPECT_TRUE(ParseInto(bytes, read).ok());
  EXPECT_EQ(read.model_name(), "m");
}

TEST(IncomingTest, TextThatIsNotUtf8IsRefused) {
  const std::string text = "\x0a\x01\xff";
  const grpc::Slice slice(text);
  grpc::ByteBuffer bytes(&slice, 1);
  EXPECT_TRUE(MemoryOf(bytes, Type(), kMaxLength).ok());
  v1::PredictRequest read;
  const absl::Status status = ParseInto(bytes, read);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("UTF-8"));
}

}  // namespace
}  // namespace torchferry::rpc
