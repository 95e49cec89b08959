// The calls that one thread waits for during one step of `bench`.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/bench/bench_stats.h"
#include "client/rpc/connection.h"
#include "server/base/mutex.h"

namespace torchferry::client {

// The channels and the request of the calls; the same for all threads and steps.
struct BenchTarget {
  std::vector<std::shared_ptr<grpc::Channel>> channels;  // each thread uses its own part of them
  grpc::ByteBuffer request;                              // a PredictRequest
  Connection::Options options;                           // of each call
};

// One thread runs Run(), which waits for answers, reads and counts them. One thread at a time calls Send() and Close().
// Call objects are reused, so that a call costs no more than gRPC itself needs.
class InFlightCalls {
 public:
  // The calls use `channels` in turn. References must outlive it. `stop`, once true, ends the step: no call is sent any
  // more, and calls in flight are cancelled and not counted. It is also set here when the server is gone.
  InFlightCalls(const BenchTarget& target, std::vector<std::shared_ptr<grpc::Channel>> channels, int64_t max_calls,
                BenchWindow window, std::atomic<bool>& stop);
  ~InFlightCalls();
  InFlightCalls(const InFlightCalls&) = delete;
  InFlightCalls& operator=(const InFlightCalls&) = delete;

  // Sends a call, whose latency counts from `due`. False when `max_calls` are in flight.
  bool Send(BenchTime due);
  // Call it after the last Send.
  void Close();

  // Returns when it is closed and every call has its answer. With `again`, each answer inside the step is followed by
  // the next call.
  void Run(bool again);

  // The following functions are for after Run.
  const BenchStats& stats() const { return stats_; }
  // OK unless the server is gone.
  const absl::Status& gone() const { return gone_; }

 private:
  struct Call {
    std::optional<grpc::ClientContext> context;  // gRPC needs a new one for each call
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
    grpc::ByteBuffer answer;
    grpc::Status status;
    size_t channel = 0;
    BenchTime due;
    bool is_in_flight = false;
  };

  Call* TakeFree() FERRY_EXCLUDES(mutex_);
  void Start(Call* call, BenchTime due);
  void OnAnswer(Call* call, bool again);
  void Count(Call* call, BenchTime now);
  void CountError(const grpc::Status& status, const Call& call, BenchTime now);
  void CancelAll() FERRY_EXCLUDES(mutex_);

  const BenchTarget& target_;
  const std::vector<std::shared_ptr<grpc::Channel>> channels_;
  const std::string method_;
  const size_t max_calls_;
  const BenchWindow window_;
  std::atomic<bool>& stop_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;  // one for each channel
  grpc::CompletionQueue queue_;
  size_t next_channel_ = 0;  // used by the thread that starts calls

  std::atomic<bool> is_closed_ = false;
  std::atomic<int64_t> in_flight_ = 0;

  base::Mutex mutex_;
  std::deque<Call> calls_ FERRY_GUARDED_BY(mutex_);  // guards the list; a call belongs to the thread that takes it
  std::vector<Call*> free_ FERRY_GUARDED_BY(mutex_);

  // Used only by the thread in Run.
  BenchStats stats_;
  absl::Status gone_;
  bool is_cancelled_ = false;
  v1::Execution execution_;
};

}  // namespace torchferry::client
