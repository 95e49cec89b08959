#include "client/bench/bench_answer.h"

#include <google/protobuf/io/coded_stream.h>

#include <limits>

namespace torchferry::client {
namespace {

using google::protobuf::io::CodedInputStream;

// https://protobuf.dev/programming-guides/encoding: a tag is the field's number, and three bits that say what follows.
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
constexpr uint32_t kWireTypeBits = 3;
constexpr uint32_t kExecutionTag = v1::PredictResponse::kExecutionFieldNumber << kWireTypeBits | kBytes;

bool Skip(uint32_t tag, CodedInputStream* in) {
  uint64_t varint = 0;
  uint32_t length = 0;
  switch (tag & ((1U << kWireTypeBits) - 1)) {
    case kVarint:
      return in->ReadVarint64(&varint);
    case kFixed64:
      return in->Skip(8);
    case kBytes:
      return in->ReadVarint32(&length) && length <= std::numeric_limits<int>::max() &&
             in->Skip(static_cast<int>(length));
    case kFixed32:
      return in->Skip(4);
    default:
      return false;
  }
}

bool Read(CodedInputStream* in, v1::Execution* execution) {
  uint32_t length = 0;
  if (!in->ReadVarint32(&length) || length > std::numeric_limits<int>::max()) return false;
  const CodedInputStream::Limit limit = in->PushLimit(static_cast<int>(length));
  const bool ok = execution->MergeFromCodedStream(in) && in->ConsumedEntireMessage();
  in->PopLimit(limit);
  return ok;
}

}  // namespace

bool ReadExecution(google::protobuf::io::ZeroCopyInputStream* answer, v1::Execution* execution) {
  execution->Clear();
  CodedInputStream in(answer);
  in.SetTotalBytesLimit(std::numeric_limits<int>::max());
  while (const uint32_t tag = in.ReadTag()) {
    if (!(tag == kExecutionTag ? Read(&in, execution) : Skip(tag, &in))) return false;
  }
  return in.ConsumedEntireMessage();
}

}  // namespace torchferry::client
