#include "server/rpc/transport/call_memory.h"

#include <algorithm>
#include <limits>

namespace torchferry::rpc {
namespace {

constexpr int64_t kUnknownMemory = int64_t{2} << 30;
// A message, parsed from pieces of it, and its answer.
constexpr int64_t kMessagesAtLeast = 4;

// A client that does not answer for so long is gone: its connection is closed, with what it has not read.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
// Of a request or trailers; gRPC's default, said here because it is part of the bound.
constexpr int kMaxMetadataBytes = 8 << 10;

}  // namespace

MemoryPlan PlanMemory(int64_t budget, int64_t memory, int64_t max_message) {
  const int64_t wanted = budget != 0 ? budget : (memory != 0 ? memory : kUnknownMemory) / 4;
  MemoryPlan plan;
  const int64_t least = kMessagesAtLeast * max_message;
  plan.budget = std::max(wanted, least + least / 7 + 8);  // an eighth is for small messages
  plan.connection = std::max(plan.budget / 4, least);
  plan.unparsed = std::max(plan.budget / 2, 2 * max_message);
  // Half: gRPC's quota also counts messages that wait for their turn, and its own buffers. At least one of the largest
  // messages and a half.
  plan.unfinished = std::max(plan.unparsed / 2, max_message + max_message / 2);
  return plan;
}

CallMemory::CallMemory(const Options& options)
    : options_(options), unparsed_("requests"), budget_({options.plan.budget, options.plan.connection}) {
  unparsed_.Resize(static_cast<size_t>(options.plan.unparsed));
}

void CallMemory::BoundListener(grpc::ServerBuilder& builder) const {
  builder.SetResourceQuota(unparsed_);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options_.max_streams);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  // gRPC would inflate a message whole, whatever it inflates to; incoming.cc does it within the limits.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  // A message is here as a whole before gRPC compares it with its limit, whose error names no flag: incoming.cc refuses
  // what is over --max-message-mib. This bound is what the connections may have together.
  builder.SetMaxReceiveMessageSize(static_cast<int>(
      std::clamp<int64_t>(options_.plan.unfinished, options_.max_message_bytes, std::numeric_limits<int>::max())));
  builder.SetMaxSendMessageSize(static_cast<int>(options_.max_message_bytes));
}

base::Duration CallMemory::TimeToSend(int64_t bytes) const {
  return options_.send_timeout + std::chrono::seconds(bytes >> 20);
}

}  // namespace torchferry::rpc
