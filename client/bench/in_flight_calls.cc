#include "client/bench/in_flight_calls.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <utility>

#include "client/bench/bench_answer.h"
#include "client/rpc/errors.h"
#include "torchferry/v1/inference.grpc.pb.h"

namespace torchferry::client {
namespace {

// How soon it is noticed that the step was stopped or closed while no answer comes.
constexpr auto kTick = std::chrono::milliseconds(50);

}  // namespace

InFlightCalls::InFlightCalls(const BenchTarget& target, std::vector<std::shared_ptr<grpc::Channel>> channels,
                             int64_t max_calls, BenchWindow window, std::atomic<bool>& stop)
    : target_(target),
      channels_(std::move(channels)),
      method_(std::string("/") + v1::InferenceService::service_full_name() + "/Predict"),
      max_calls_(static_cast<size_t>(max_calls)),
      window_(window),
      stop_(stop),
      stats_(window) {
  for (const auto& channel : channels_) stubs_.push_back(std::make_unique<grpc::GenericStub>(channel));
}

InFlightCalls::~InFlightCalls() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool InFlightCalls::Send(BenchTime due) {
  Call* const call = TakeFree();
  if (call == nullptr) return false;
  in_flight_.fetch_add(1);
  Start(call, due);
  return true;
}

void InFlightCalls::Close() { is_closed_.store(true); }

InFlightCalls::Call* InFlightCalls::TakeFree() {
  base::MutexLock lock(mutex_);
  if (free_.empty()) return calls_.size() < max_calls_ ? &calls_.emplace_back() : nullptr;
  Call* const call = free_.back();
  free_.pop_back();
  return call;
}

void InFlightCalls::Start(Call* call, BenchTime due) {
  call->due = due;
  call->channel = next_channel_++ % channels_.size();
  call->is_in_flight = true;
  call->context.emplace();
  Connection::Prepare(target_.options, &*call->context);
  call->reader = stubs_[call->channel]->PrepareUnaryCall(&*call->context, method_, target_.request, &queue_);
  call->reader->StartCall();
  call->reader->Finish(&call->answer, &call->status, call);
}

void InFlightCalls::Run(bool again) {
  auto tick = std::chrono::system_clock::now() + kTick;
  while (!is_closed_.load() || in_flight_.load() > 0) {
    void* tag = nullptr;
    bool ok = false;  // always true of Finish
    const auto next = queue_.AsyncNext(&tag, &ok, tick);
    if (next == grpc::CompletionQueue::GOT_EVENT) {
      OnAnswer(static_cast<Call*>(tag), again);
    } else {
      tick = std::chrono::system_clock::now() + kTick;
    }
    // Nobody else starts calls any more, so that all of them can be looked at.
    if (stop_.load() && is_closed_.load() && !is_cancelled_) CancelAll();
  }
}

void InFlightCalls::OnAnswer(Call* call, bool again) {
  const BenchTime now = std::chrono::steady_clock::now();
  if (!is_cancelled_) Count(call, now);
  call->answer.Clear();
  call->reader.reset();
  call->context.reset();
  call->is_in_flight = false;
  if (again && now < window_.end && !stop_.load()) {
    Start(call, now);
    return;
  }
  {
    base::MutexLock lock(mutex_);
    free_.push_back(call);
  }
  in_flight_.fetch_sub(1);
}

void InFlightCalls::Count(Call* call, BenchTime now) {
  if (!call->status.ok()) {
    CountError(call->status, *call, now);
    return;
  }
  grpc::ProtoBufferReader reader(&call->answer);
  if (reader.status().ok() && ReadExecution(&reader, &execution_)) {
    stats_.AddAnswer(call->due, now, execution_);
  } else {
    CountError({grpc::StatusCode::INTERNAL, "the answer is no PredictResponse"}, *call, now);
  }
}

void InFlightCalls::CountError(const grpc::Status& status, const Call& call, BenchTime now) {
  const auto make = [&] { return FromServer(status, target_.options.address); };
  stats_.AddError(call.due, now, static_cast<absl::StatusCode>(status.error_code()), make);
  // A server that is there may say UNAVAILABLE too, of a full queue say. One that is gone cannot be connected to, and
  // calls would fail as fast as they are made.
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE || !gone_.ok()) return;
  if (channels_[call.channel]->GetState(/*try_to_connect=*/false) != GRPC_CHANNEL_TRANSIENT_FAILURE) return;
  gone_ = make();
  stop_.store(true);
}

void InFlightCalls::CancelAll() {
  is_cancelled_ = true;
  base::MutexLock lock(mutex_);
  for (Call& call : calls_) {
    if (call.is_in_flight) call.context->TryCancel();
  }
}

}  // namespace torchferry::client
