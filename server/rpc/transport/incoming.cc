#include "server/rpc/transport/incoming.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include "server/base/status.h"
#include "server/rpc/transport/inflate.h"
#include "server/rpc/transport/wire_cost.h"

namespace torchferry::rpc {
namespace {

// Up to here the worst is reserved, which is less than what reading through a message costs.
constexpr int64_t kShort = 256;

constexpr size_t kLarge = size_t{256} << 10;
// It may inflate to a thousand times that.
constexpr size_t kLargeCompressed = size_t{1} << 10;

class BufferReader final : public grpc::ProtoBufferReader {
 public:
  using grpc::ProtoBufferReader::ProtoBufferReader;
  bool is_compressed() { return reader()->buffer_in->data.raw.compression != GRPC_COMPRESS_NONE; }
};

absl::Status TooLong(int64_t length, int64_t max_length) {
  return base::MakeStatus(
      absl::StatusCode::kResourceExhausted,
      "the message has {} bytes; expected at most {}: send a smaller one, or raise the server's --max-message-mib",
      length, max_length);
}

absl::Status NotWhole(const google::protobuf::Descriptor& type) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "the compressed {} cannot be inflated: it is cut short, damaged, or neither gzip nor deflate",
                          type.full_name());
}

}  // namespace

bool IsLarge(grpc::ByteBuffer& bytes) {
  const size_t length = bytes.Length();
  if (length < kLargeCompressed || length >= kLarge) return length >= kLarge;
  BufferReader reader(&bytes);
  return reader.status().ok() && reader.is_compressed();
}

absl::StatusOr<int64_t> MemoryOf(grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& type,
                                 int64_t max_length) {
  const auto length = static_cast<int64_t>(bytes.Length());
  if (length == 0) return 0;
  if (length > max_length) return TooLong(length, max_length);
  BufferReader reader(&bytes);
  if (!reader.status().ok()) return absl::InternalError(reader.status().error_message());
  if (!reader.is_compressed()) {
    if (length <= kShort) return WorstCostOf(length);
    FERRY_ASSIGN_OR_RETURN(const WireCost cost, CostOf(reader, type, max_length));
    return cost.memory;
  }
  InflatingStream inflating(reader);
  const absl::StatusOr<WireCost> cost = CostOf(inflating, type, max_length);
  if (cost.ok() && inflating.IsWhole()) return cost->memory;
  if (cost.ok() || (cost.status().code() == absl::StatusCode::kInvalidArgument && inflating.HasFailed()))
    return NotWhole(type);
  return cost.status();
}

absl::Status ParseInto(grpc::ByteBuffer& bytes, google::protobuf::Message& message) {
  const size_t length = bytes.Length();
  if (length == 0) return absl::OkStatus();
  bool is_parsed = false;
  {
    BufferReader reader(&bytes);
    if (!reader.status().ok()) return absl::InternalError(reader.status().error_message());
    if (reader.is_compressed()) {
      InflatingStream inflating(reader);
      is_parsed = message.ParseFromZeroCopyStream(&inflating) && inflating.IsWhole();
    } else {
      is_parsed = message.ParseFromZeroCopyStream(&reader);
    }
  }
  bytes.Clear();
  if (is_parsed) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "the request is no {}: its {} bytes cannot be parsed; names and other texts are UTF-8",
                          message.GetTypeName(), length);
}

}  // namespace torchferry::rpc
