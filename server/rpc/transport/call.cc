#include "server/rpc/transport/call.h"

#include <grpc/support/time.h>
#include <grpcpp/alarm.h>

#include <algorithm>

#include "server/base/refusal.h"

namespace torchferry::rpc {
namespace {

// What gRPC and we need for a call of any size, a short answer included.
constexpr int64_t kCallBytes = 8 << 10;

// An answer of which a client can hold many, and does not read.
constexpr int64_t kLongAnswer = 64 << 10;

// What a call takes on the wire beside its message and its own headers, at most: the other headers, frames' heads,
// pings and window updates.
constexpr int64_t kFramesOfCall = 1024;
constexpr int64_t kHeaderEntry = 32;  // of HPACK, beside its name and value
// A byte of the heads of frames and TLS records for so many of a message: a record takes 29 bytes, and some clients
// send only 1,400 in one at first.
constexpr int64_t kFrameShare = 32;

// A later one would overflow the system's clock; who sets it looks anew.
constexpr base::Duration kLongestTimer = std::chrono::hours(24);

constexpr int64_t kYearSeconds = int64_t{365} * 24 * 3600;

}  // namespace

// Cancels the call when its time has passed. It is gone after its event.
class Call::SendLimit final : public CallEvent {
 public:
  explicit SendLimit(Call& call) : call_(call) {}
  void Start(base::Duration time) {
    call_.Hold();
    alarm_.Set(call_.loop_.queue(), std::chrono::system_clock::now() + time, this);
  }
  void Cancel() { alarm_.Cancel(); }

  void OnEvent(bool ok) override {
    SendLimit* self = this;
    const bool is_current = call_.send_limit_.compare_exchange_strong(self, nullptr);
    if (ok && is_current) call_.context_.TryCancel();
    call_.Release();
    delete this;
  }

 private:
  Call& call_;
  grpc::Alarm alarm_;
};

// Tells the call that its time has passed. It is gone after its event.
class Call::Timer final : public CallEvent {
 public:
  explicit Timer(Call& call) : call_(call) {}
  void Start(base::Duration time) {
    call_.Hold();
    alarm_.Set(call_.loop_.queue(), std::chrono::system_clock::now() + time, this);
  }
  void Cancel() { alarm_.Cancel(); }

  void OnEvent(bool ok) override {
    Call& call = call_;
    const bool is_current = call.timer_ == this;
    if (is_current) call.timer_ = nullptr;
    delete this;
    if (ok && is_current) call.OnTimer();
    call.Release();
  }

 private:
  Call& call_;
  grpc::Alarm alarm_;
};

void Call::SetTimer(base::Duration time) {
  timer_ = new Timer(*this);
  timer_->Start(std::min(time, kLongestTimer));
}

void Call::CancelTimer() {
  if (Timer* const timer = std::exchange(timer_, nullptr)) timer->Cancel();
}

grpc::Status Call::EndWith(const absl::Status& status) {
  if (const auto pushback = base::PushbackOf(status); pushback.has_value()) {
    context_.AddTrailingMetadata("grpc-retry-pushback-ms", std::to_string(pushback->count()));
  }
  return ToGrpc(status);
}

Call::Call(CallLoop& loop) : loop_(loop) {
  loop_.CallBegins();
  context_.AsyncNotifyWhenDone(&ended_);
}

Call::~Call() = default;

base::TimePoint Call::DeadlineOn(const base::Clock& clock) const {
  // Most calls have none: then no clock is read.
  const gpr_timespec deadline = context_.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return base::kNoDeadline;
  // gRPC's deadline is of a clock of its own. One that is far away would overflow on ours.
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  if (left.tv_sec > kYearSeconds) return base::kNoDeadline;
  return clock.Now() + std::chrono::duration_cast<base::Duration>(std::chrono::seconds(left.tv_sec) +
                                                                  std::chrono::nanoseconds(left.tv_nsec));
}

absl::Status Call::Reserve(int64_t bytes) {
  return loop_.memory().budget().Resize(share_, kCallBytes + bytes, [this] { return peer(); });
}

int64_t Call::ReceivedFor(const grpc::ByteBuffer& bytes) const {
  int64_t received = kFramesOfCall;
  for (const auto& [name, value] : context_.client_metadata()) {
    received += static_cast<int64_t>(name.size() + value.size()) + kHeaderEntry;
  }
  const auto length = static_cast<int64_t>(bytes.Length());
  return received + length + length / kFrameShare;
}

void Call::Arrived(const grpc::ByteBuffer& bytes) {
  if (client_port_ == 0) client_port_ = ClientPort(peer());
  loop_.memory().delivered().Add(client_port_, ReceivedFor(bytes));
}

absl::Status Call::ReserveReceived(grpc::ByteBuffer& bytes) {
  const auto length = static_cast<int64_t>(bytes.Length());
  absl::Status status = Reserve(length);
  if (status.ok()) {
    request_bytes_ = length;
  } else {
    bytes.Clear();
  }
  return status;
}

absl::StatusOr<int64_t> Call::MeasureRequest(grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& type) {
  return MemoryOf(bytes, type, loop_.memory().max_message_bytes());
}

absl::Status Call::ReserveRequest(grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& type) {
  absl::StatusOr<int64_t> memory = MeasureRequest(bytes, type);
  absl::Status status = memory.status();
  if (status.ok()) status = Reserve(*memory);
  if (!status.ok()) {
    bytes.Clear();
    return status;
  }
  request_bytes_ = *memory;
  return status;
}

void Call::BeginSend(int64_t bytes) {
  const int64_t kept = IsKept() ? request_bytes_ : 0;
  if (request_bytes_ > kLongAnswer || bytes > kLongAnswer) Reserve(kept + bytes).IgnoreError();  // it is less
  request_bytes_ = kept;
  BeginSendTime(bytes);
}

void Call::BeginSendTime(int64_t bytes) {
  CallMemory& memory = loop_.memory();
  // With most of the budget in use, short answers count too.
  const bool is_limited = bytes > kLongAnswer || memory.budget().used() > memory.budget().limits().bytes / 2;
  if (!is_limited) return;
  auto* limit = new SendLimit(*this);
  send_limit_ = limit;
  limit->Start(memory.TimeToSend(bytes));
}

void Call::EndSend() {
  EndSendTime();
  if (share_.bytes() > kLongAnswer) Reserve(0).IgnoreError();  // it is less
}

void Call::EndSendTime() {
  if (SendLimit* limit = send_limit_.exchange(nullptr)) limit->Cancel();
}

void Call::AfterEnd(bool) {
  if (context_.IsCancelled()) {
    if ((cancel_.fetch_or(kIsCancelled, std::memory_order_acq_rel) & kHasCallback) != 0) on_cancel_();
  }
  Release();
}

}  // namespace torchferry::rpc
