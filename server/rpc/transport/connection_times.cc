#include "server/rpc/transport/connection_times.h"

#include <grpc/grpc.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace torchferry::rpc {
namespace {

constexpr int kNever = std::numeric_limits<int>::max();  // as gRPC understands it

int Milliseconds(base::Duration duration) {
  const int64_t count = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<int64_t>(count, 0, kNever - 1));
}

int MillisecondsOrNever(base::Duration duration) {
  return duration > base::Duration::zero() ? Milliseconds(duration) : kNever;
}

}  // namespace

void SetConnectionTimes(const ConnectionTimes& times, grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, MillisecondsOrNever(times.keepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(times.keepalive_timeout));
  // Without these two gRPC takes a ping without a call once in two hours, and stops its own after two of them.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(times.least_ping_interval));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, std::max(1, times.max_ping_strikes));  // 0: any number
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, MillisecondsOrNever(times.max_idle));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, MillisecondsOrNever(times.max_age));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Milliseconds(times.age_grace));
}

}  // namespace torchferry::rpc
