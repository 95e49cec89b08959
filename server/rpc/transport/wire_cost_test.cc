// Against what protobuf really takes: its arenas count what is made of a message.
#include "server/rpc/transport/wire_cost.h"

#include <gmock/gmock.h>
#include <google/protobuf/arena.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <string>

#include "inference/grpc_service.pb.h"
#include "server/base/status.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::rpc {
namespace {

using google::protobuf::io::ArrayInputStream;
using testing::HasSubstr;

constexpr int64_t kMaxLength = 64 << 20;

absl::StatusOr<WireCost> Cost(const std::string& bytes, const google::protobuf::Descriptor& type,
                              int64_t max_length = kMaxLength) {
  ArrayInputStream in(bytes.data(), static_cast<int>(bytes.size()), 4096);
  return CostOf(in, type, max_length);
}

// `count` times the field `number`, of wire type `type`, with `content`.
std::string Fields(int count, int number, int type, const std::string& content) {
  std::string one;
  uint32_t tag = static_cast<uint32_t>(number) << 3 | static_cast<uint32_t>(type);
  for (; tag >= 128; tag >>= 7) one += static_cast<char>(tag | 128);
  one += static_cast<char>(tag);
  if (type == 2) {
    size_t length = content.size();
    for (; length >= 128; length >>= 7) one += static_cast<char>(length | 128);
    one += static_cast<char>(length);
  }
  one += content;
  std::string all;
  for (int i = 0; i < count; ++i) all += one;
  return all;
}

// What parsing takes from the heap, in pieces as they come by gRPC, on an arena or not.
template <typename Message>
int64_t Taken(const std::string& bytes, bool on_arena) {
  const auto used = [] {
    const struct mallinfo2 info = mallinfo2();
    return static_cast<int64_t>(info.uordblks + info.hblkhd);
  };
  const int64_t before = used();
  google::protobuf::Arena arena;
  auto* message = google::protobuf::Arena::CreateMessage<Message>(on_arena ? &arena : nullptr);
  ArrayInputStream in(bytes.data(), static_cast<int>(bytes.size()), 8192);
  EXPECT_TRUE(message->ParseFromZeroCopyStream(&in));
  const int64_t taken = used() - before;
  if (!on_arena) delete message;
  return taken;
}

template <typename Message>
void ExpectBound(const std::string& bytes, const char* what) {
  const auto cost = Cost(bytes, *Message::descriptor());
  ASSERT_TRUE(cost.ok()) << what << ": " << cost.status();
  EXPECT_EQ(cost->length, static_cast<int64_t>(bytes.size())) << what;
  constexpr int64_t kSlack = 64 << 10;  // an arena's first blocks, and what the heap rounds up
  EXPECT_LE(Taken<Message>(bytes, true), cost->memory + kSlack) << what;
  EXPECT_LE(Taken<Message>(bytes, false), cost->memory + kSlack) << what;
  EXPECT_LE(cost->memory, WorstCostOf(cost->length)) << what;
}

TEST(WireCostTest, BoundsWhatProtobufTakes) {
  using Predict = v1::PredictRequest;
  using Infer = inference::ModelInferRequest;
  ExpectBound<Predict>("", "nothing");
  ExpectBound<Predict>(
      Fields(1, 3, 2, Fields(1, 1, 2, "x") + Fields(1, 2, 2, Fields(1, 3, 2, std::string(4 << 20, 'x')))),
      "a tensor of 4 MiB");
  ExpectBound<Predict>(Fields(60000, 4, 2, ""), "empty names of outputs");
  ExpectBound<Predict>(Fields(60000, 4, 2, "a name that is no small string"), "names of outputs");
  ExpectBound<Predict>(Fields(60000, 1, 2, "the same field again and again"), "one text, often");
  ExpectBound<Predict>(Fields(60000, 99, 0, "x"), "unknown numbers");
  ExpectBound<Predict>(Fields(60000, 99, 2, "unknown"), "unknown bytes");
  ExpectBound<Predict>(Fields(30000, 99, 3, Fields(1, 99, 4, "")), "unknown groups");
  std::string many_inputs;
  for (int i = 0; i < 20000; ++i) many_inputs += Fields(1, 3, 2, Fields(1, 1, 2, std::to_string(i)));
  ExpectBound<Predict>(many_inputs, "inputs without a tensor");
  ExpectBound<Predict>(Fields(1, 3, 2, Fields(1, 2, 2, Fields(1, 2, 2, std::string(1 << 20, 1)))), "a million dims");
  ExpectBound<Predict>(Fields(1, 3, 2, Fields(1, 2, 2, Fields(60000, 2, 0, "\1"))), "dims one by one");
  ExpectBound<Infer>(Fields(60000, 5, 2, ""), "empty inputs");
  ExpectBound<Infer>(Fields(60000, 6, 2, ""), "empty outputs");
  ExpectBound<Infer>(Fields(30000, 5, 2, Fields(1, 5, 2, "")), "inputs with empty contents");
  std::string many_parameters;
  for (int i = 0; i < 20000; ++i) many_parameters += Fields(1, 4, 2, Fields(1, 1, 2, std::to_string(i)));
  ExpectBound<Infer>(many_parameters, "parameters");
  for (int contents = 1; contents <= 7; ++contents) {
    ExpectBound<Infer>(Fields(1, 5, 2, Fields(1, 5, 2, Fields(1, contents, 2, std::string(1 << 20, 1)))), "contents");
    ExpectBound<Infer>(Fields(1, 5, 2, Fields(1, 5, 2, Fields(200, contents, 2, std::string(8192, 1)))),
                       "contents in pieces");
  }
  ExpectBound<Infer>(Fields(60000, 7, 2, ""), "empty raw contents");
}

TEST(WireCostTest, ATensorCostsLittleMoreThanItsBytes) {
  const auto cost =
      Cost(Fields(1, 3, 2, Fields(1, 1, 2, "x") + Fields(1, 2, 2, Fields(1, 3, 2, std::string(1 << 20, 'x')))),
           *v1::PredictRequest::descriptor());
  ASSERT_TRUE(cost.ok());
  EXPECT_LT(cost->memory, (1 << 20) + 4096);
}

TEST(WireCostTest, SaysWhatIsWrong) {
  const auto& type = *v1::PredictRequest::descriptor();
  const auto refusal = [&](const std::string& bytes, int64_t max_length = kMaxLength) {
    return Cost(bytes, type, max_length).status();
  };
  EXPECT_EQ(refusal(Fields(70000, 4, 2, "")).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(refusal(Fields(70000, 4, 2, ""))), HasSubstr("more than 65536 fields"));
  EXPECT_EQ(refusal(Fields(1, 4, 2, std::string(100, 'x')), 100).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(refusal(Fields(1, 4, 2, std::string(98, 'x')), 100).ok());
  for (const std::string& bytes : {std::string("\x22\x7f"), std::string("\x22"), std::string("\xff"),
                                   std::string("\x07\x01"), std::string("\x1a\x02\x0a\x05"), std::string("\x24"),
                                   std::string("\x23"), std::string(1, '\0'), std::string(500, '\x23')}) {
    const absl::Status status = refusal(bytes);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << testing::PrintToString(bytes);
    EXPECT_THAT(base::MessageOf(status), HasSubstr("torchferry.v1.PredictRequest"));
  }
}

}  // namespace
}  // namespace torchferry::rpc
