// gRPC calls over the asynchronous API, as the services' handlers see them.
#pragma once

#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/identity/caller.h"
#include "server/rpc/transport/call_loop.h"
#include "server/rpc/transport/catch_to_status.h"
#include "server/rpc/transport/incoming.h"
#include "server/rpc/transport/memory_budget.h"
#include "server/rpc/transport/method_rules.h"
#include "server/rpc/transport/outbox.h"
#include "server/rpc/transport/outgoing.h"
#include "server/rpc/transport/status_map.h"

namespace torchferry::rpc {

// A call of any kind. It lives until it is finished, gRPC is done with it, no operation of it is in flight, and no copy
// of Keep is left. Its messages are bytes to gRPC. They are parsed and serialized here, within the memory of the loop.
class Call {
 public:
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // The caller's deadline; kNoDeadline: it gave none.
  base::TimePoint DeadlineOn(const base::Clock& clock) const;

  // The caller. Callable from any thread.
  const identity::Caller& caller() const { return caller_; }
  // The caller's address, which tells one connection from another.
  const std::string& peer() const { return caller_.peer(); }

  // Whether the caller gave up, or its connection is gone. Callable from any thread, until Finish.
  bool IsCancelled() const { return (cancel_.load(std::memory_order_relaxed) & kIsCancelled) != 0; }
  // Sets the callback for a cancellation. It is called once, on the loop's thread, or at once if the call is cancelled
  // already. The handler must set it, once, before it returns.
  void OnCancel(std::function<void()> callback) {
    on_cancel_ = std::move(callback);
    if ((cancel_.fetch_or(kHasCallback, std::memory_order_acq_rel) & kIsCancelled) != 0) on_cancel_();
  }

  // Makes room for an answer of `bytes` bytes, beside the request. To be called before the answer is made.
  // RESOURCE_EXHAUSTED: there is no room, and the call goes on.
  absl::Status ReserveAnswer(int64_t bytes) { return Reserve(request_bytes_ + bytes); }
  // The call, with all its messages, stays in memory until the last copy is dropped, on any thread, finished or not.
  // Must not be called after Finish.
  std::shared_ptr<const void> Keep() {
    keepers_.fetch_add(1, std::memory_order_relaxed);
    return {this, [](Call* call) { call->LetGo(); }};
  }

  // Max bytes of a request, and of an answer: gRPC refuses to send more.
  int64_t max_message_bytes() const { return loop_.memory().max_message_bytes(); }

  // Ends the call. To be called once, on any thread. The call may be gone when this returns.
  virtual void Finish(const absl::Status& status) = 0;

 protected:
  explicit Call(CallLoop& loop);
  virtual ~Call();

  // Hold is called for each operation that begins, and Release when its event has come. The call may be gone after
  // Release.
  void Hold() { uses_.fetch_add(1, std::memory_order_relaxed); }
  void Release() {
    if (uses_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    loop_.CallEnds();
    LetGo();
  }
  // Called instead of Release, for a call that never began.
  void Discard() {
    loop_.CallEnds();
    LetGo();
  }

  // The gate's answer for this call, before anything else is done with it. After an error the call must be finished
  // with that error.
  absl::Status Enter(const MethodRule& rule) { return loop_.gate().Admit(context_, rule, caller_); }
  // A message has come. To be called once for each message, before anything else is done with it.
  void Arrived(const grpc::ByteBuffer& bytes);
  // Makes room for the received bytes: messages that wait to be parsed count in the budget, too.
  absl::Status ReserveReceived(grpc::ByteBuffer& bytes);
  // Makes room for the message of `type` that `bytes` are parsed into. An error is the answer to the caller.
  absl::Status ReserveRequest(grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& type);
  // The memory that `bytes` take as a `type`. It reads them through, and leaves them as they are.
  absl::StatusOr<int64_t> MeasureRequest(grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& type);
  // The call's messages take `bytes` bytes from now on.
  absl::Status Reserve(int64_t bytes);
  // The answer of `bytes` bytes is on its way, and the request is gone unless it is kept. From now on the client has
  // limited time to read the answer.
  void BeginSend(int64_t bytes);
  void EndSend();
  // BeginSend and EndSend, for the client's time alone.
  void BeginSendTime(int64_t bytes);
  void EndSendTime();

  // The final status for the caller: `status`, and when to retry, where `status` says that (base/refusal.h).
  grpc::Status EndWith(const absl::Status& status);

  // Calls OnTimer once after `time`, max 24 hours, unless the call has ended by then. SetTimer must be called on the
  // loop's thread, and OnTimer is called there.
  void SetTimer(base::Duration time);
  virtual void OnTimer() {}

  // Requests that take more memory have memory of their own, which is given back before the answer is sent.
  static constexpr int64_t kLargeRequest = 64 << 10;
  int64_t request_bytes() const { return request_bytes_; }
  bool IsKept() const { return keepers_.load(std::memory_order_acquire) > 1; }
  uint16_t client_port() const { return client_port_; }

  CallLoop& loop_;
  grpc::ServerContext context_;
  MemberEvent<Call> finished_{this, &Call::AfterFinish};

 private:
  void LetGo() {
    if (keepers_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  class SendLimit;
  class Timer;

  void CancelTimer();
  void AfterFinish(bool) {
    CancelTimer();
    EndSend();
    Release();
  }
  void AfterEnd(bool);
  // An upper bound of the bytes that the connection has received for a message.
  int64_t ReceivedFor(const grpc::ByteBuffer& bytes) const;

  MemberEvent<Call> ended_{this, &Call::AfterEnd};
  std::atomic<int> uses_{2};     // uses of the loop's queue; at first the end and the finish
  std::atomic<int> keepers_{1};  // 1 for all uses, and 1 for each copy of Keep: the call may outlive the loop
  static constexpr int kIsCancelled = 1;
  static constexpr int kHasCallback = 2;
  std::atomic<int> cancel_{0};  // the thread that sets the second of these bits calls on_cancel_
  std::function<void()> on_cancel_;
  identity::Caller caller_;
  uint16_t client_port_ = 0;
  MemoryShare share_;
  int64_t request_bytes_ = 0;  // of share_
  std::atomic<SendLimit*> send_limit_{nullptr};
  Timer* timer_ = nullptr;  // used only by the loop's thread
};

// A call with one request and one response.
template <typename Request, typename Response>
class UnaryCall final : public Call, private Outbox::Letter {
 public:
  // Accept takes the next call of a method. Handler handles it.
  using Writer = grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>;
  using Accept =
      std::function<void(grpc::ServerContext*, grpc::ByteBuffer*, Writer*, grpc::ServerCompletionQueue*, void*)>;
  using Handler = std::function<void(UnaryCall&)>;
  struct Method {
    Accept accept;
    Handler handler;
    const MethodRule* rule;
  };

  static void Await(CallLoop& loop, std::shared_ptr<const Method> method) { new UnaryCall(loop, std::move(method)); }

  // Valid until Finish.
  const Request& request() const { return large_ == nullptr ? *request_ : *large_; }
  // The answer is outgoing(), or response() where outgoing() is empty.
  Response& response() { return *response_; }
  OutgoingMessage& outgoing() { return outgoing_; }
  void Finish(const absl::Status& status) override {
    end_ = status.ok() ? MakeAnswer(answer_) : status;
    if (!IsKept()) large_.reset();
    Outbox::Send(*this);
  }

 private:
  UnaryCall(CallLoop& loop, std::shared_ptr<const Method> method) : Call(loop), method_(std::move(method)) {
    method_->accept(&context_, &received_, &writer_, loop.queue(), &begun_);
  }

  static google::protobuf::ArenaOptions OptionsOver(std::array<char, 1024>& block) {
    google::protobuf::ArenaOptions options;
    options.initial_block = block.data();
    options.initial_block_size = block.size();
    return options;
  }

  uint16_t client_port() const override { return Call::client_port(); }
  void Send() override {
    grpc::ByteBuffer bytes;
    bytes.Swap(&answer_);
    BeginSend(static_cast<int64_t>(bytes.Length()));
    if (end_.ok()) {
      writer_.Finish(bytes, grpc::Status::OK, &finished_);
    } else {
      writer_.FinishWithError(EndWith(end_), &finished_);
    }
  }

  void AfterBegin(bool ok) {
    if (!ok) return Discard();  // the server has shut down
    Await(loop_, method_);
    const absl::Status entered = Enter(*method_->rule);
    Arrived(received_);
    if (!entered.ok()) return Refuse(entered);
    if (!IsLarge(received_)) return Begin();
    const absl::Status status = ReserveReceived(received_);
    if (!status.ok()) return Finish(status);
    Hold();
    loop_.large().Carry(has_turn_, request_bytes());
  }
  // Finishes the call without a look at its request.
  void Refuse(const absl::Status& why) {
    received_.Clear();
    Finish(why);
  }
  // A large request has its turn among those of the loop. Its call stays until the handler has returned, as on the
  // loop.
  void AfterTurn(bool) {
    if (IsCancelled()) {
      Refuse(absl::CancelledError("the caller went away"));
    } else {
      Begin();
    }
    Release();
  }
  void Begin() {
    const absl::Status status = CatchToStatus([this] { return ReadRequest(); });
    status.ok() ? method_->handler(*this) : Finish(status);
  }

  absl::Status ReadRequest() {
    FERRY_RETURN_IF_ERROR(ReserveRequest(received_, *Request::descriptor()));
    if (request_bytes() > kLargeRequest) large_ = std::make_unique<Request>();
    return ParseInto(received_, large_ == nullptr ? *request_ : *large_);
  }

  absl::Status MakeAnswer(grpc::ByteBuffer& bytes) {
    if (!outgoing_.is_empty()) {
      bytes = std::move(outgoing_).Take();
      return absl::OkStatus();
    }
    FERRY_RETURN_IF_ERROR(ReserveAnswer(static_cast<int64_t>(response_->ByteSizeLong()) * 2));
    bytes = Serialized(*response_);
    return absl::OkStatus();
  }

  const std::shared_ptr<const Method> method_;
  MemberEvent<UnaryCall> begun_{this, &UnaryCall::AfterBegin};
  MemberEvent<UnaryCall> has_turn_{this, &UnaryCall::AfterTurn};
  grpc::ByteBuffer received_;
  // The memory of a small request and its response is in the call itself.
  std::array<char, 1024> first_block_;
  google::protobuf::Arena arena_{OptionsOver(first_block_)};
  Request* const request_ = google::protobuf::Arena::CreateMessage<Request>(&arena_);
  std::unique_ptr<Request> large_;  // used instead of request_ for a large request
  Response* const response_ = google::protobuf::Arena::CreateMessage<Response>(&arena_);
  OutgoingMessage outgoing_;
  absl::Status end_;
  grpc::ByteBuffer answer_;  // until it is sent
  Writer writer_{&context_};
};

// Handles a call that has several messages. It is made when the call begins, and destroyed with it. Its functions are
// called on the loop's thread, one at a time. For a large message, MayTake and OnRead are called on the thread of the
// loop's large messages, at the same time as others.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // A message has come that will take `bytes` bytes. False: it stays as it came until BidiCall::Take, which may be
  // called before this returns.
  virtual bool MayTake(int64_t /*bytes*/) { return true; }
  // `ok`: a message has come; otherwise the caller sends no more. `status`: why the message cannot be taken; it is then
  // as empty as before.
  virtual void OnRead(bool /*ok*/, const absl::Status& /*status*/) {}
  // `ok`: the message is on its way; otherwise the caller has gone.
  virtual void OnWritten(bool ok) = 0;
  // The caller gave up, or the call has ended.
  virtual void OnCancel() {}
  // The time of BidiCall::SetTimer has passed.
  virtual void OnTimer() {}
};

// A call with many requests and many responses: one read and one write at a time. Several requests may be in flight.
// Each, with its answer, has a part of the call's memory.
template <typename Request, typename Response>
class BidiCall final : public Call {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;
  using Accept = std::function<void(grpc::ServerContext*, Stream*, grpc::ServerCompletionQueue*, void*)>;
  using Handler = std::function<std::unique_ptr<StreamHandler>(BidiCall&)>;
  struct Method {
    Accept accept;
    Handler handler;
    const MethodRule* rule;
  };

  static void Await(CallLoop& loop, std::shared_ptr<const Method> method) { new BidiCall(loop, std::move(method)); }

  // To be called in the handler's constructor or OnTimer.
  using Call::SetTimer;
  // Reads the next request into `message`, which is empty. Its memory is counted in `part`, which is 0. Both must live
  // until the event.
  void Read(Request* message, int64_t* part) {
    message_ = message;
    part_ = part;
    Hold();
    stream_.Read(&received_, &read_);
  }
  // Asks the gate again for the caller, which may have changed since the call began. Returns the gate's errors.
  absl::Status Renew(identity::Caller& caller) { return loop_.gate().Admit(context_, *method_->rule, caller); }
  // Takes the message that MayTake has left: OnRead is called with it, now or soon. To be called during another event.
  void Take() {
    if (!is_large_) return TakeNow();
    Hold();
    loop_.large().Carry(may_take_, received_bytes());
  }
  // Sets `part` to `bytes`. Callable from any thread. RESOURCE_EXHAUSTED: `part` is unchanged.
  absl::Status Resize(int64_t& part, int64_t bytes) FERRY_EXCLUDES(parts_mutex_) {
    base::MutexLock lock(parts_mutex_);
    FERRY_RETURN_IF_ERROR(Reserve(parts_ - part + bytes));
    parts_ += bytes - std::exchange(part, bytes);
    return absl::OkStatus();
  }
  // The budget of the call's memory.
  const MemoryBudget& budget() const { return loop_.memory().budget(); }
  // Writes an answer. Callable from any thread.
  void Write(OutgoingMessage message) {
    Hold();
    const grpc::ByteBuffer bytes = std::move(message).Take();
    BeginSendTime(static_cast<int64_t>(bytes.Length()));
    stream_.Write(bytes, &written_);
  }
  void Finish(const absl::Status& status) override { stream_.Finish(EndWith(status), &finished_); }

 private:
  BidiCall(CallLoop& loop, std::shared_ptr<const Method> method) : Call(loop), method_(std::move(method)) {
    method_->accept(&context_, &stream_, loop.queue(), &begun_);
  }

  void AfterBegin(bool ok) {
    if (!ok) return Discard();
    Await(loop_, method_);
    if (const absl::Status entered = Enter(*method_->rule); !entered.ok()) return Finish(entered);
    handler_ = method_->handler(*this);
    OnCancel([this] { handler_->OnCancel(); });
  }
  void AfterRead(bool ok) {
    if (!ok) {
      handler_->OnRead(false, absl::OkStatus());
      return Release();
    }
    Arrived(received_);
    is_large_ = IsLarge(received_);
    if (is_large_) return loop_.large().Carry(has_turn_, received_bytes());
    AfterTurn(true);
  }
  void AfterTurn(bool) {
    measured_ = CatchToStatus([this]() -> absl::StatusOr<int64_t> {
      if (is_large_ && IsCancelled()) return absl::CancelledError("the caller went away");
      return MeasureRequest(received_, *Request::descriptor());
    });
    if (!measured_.ok() || handler_->MayTake(*measured_)) TakeNow();
    Release();
  }
  void OnTimer() override { handler_->OnTimer(); }
  int64_t received_bytes() const { return static_cast<int64_t>(received_.Length()); }
  void AfterMayTake(bool) {
    TakeNow();
    Release();
  }
  void TakeNow() {
    const absl::Status status = measured_.ok() ? CatchToStatus([this] { return ReadMessage(); }) : measured_.status();
    if (!status.ok()) {
      received_.Clear();
      *message_ = Request();
    }
    handler_->OnRead(true, status);
  }
  absl::Status ReadMessage() {
    FERRY_RETURN_IF_ERROR(Resize(*part_, *measured_));
    return ParseInto(received_, *message_);
  }
  void AfterWrite(bool ok) {
    EndSendTime();
    handler_->OnWritten(ok);
    Release();
  }

  const std::shared_ptr<const Method> method_;
  grpc::ByteBuffer received_;
  absl::StatusOr<int64_t> measured_ = 0;  // memory of received_, once parsed
  bool is_large_ = false;                 // received_ is large
  Request* message_ = nullptr;
  int64_t* part_ = nullptr;
  base::Mutex parts_mutex_;
  int64_t parts_ FERRY_GUARDED_BY(parts_mutex_) = 0;  // all parts together
  MemberEvent<BidiCall> begun_{this, &BidiCall::AfterBegin};
  MemberEvent<BidiCall> read_{this, &BidiCall::AfterRead};
  MemberEvent<BidiCall> has_turn_{this, &BidiCall::AfterTurn};  // of a large message, among those of the loop
  MemberEvent<BidiCall> may_take_{this, &BidiCall::AfterMayTake};
  MemberEvent<BidiCall> written_{this, &BidiCall::AfterWrite};
  Stream stream_{&context_};
  std::unique_ptr<StreamHandler> handler_;
};

// A call with one request and many responses: one write at a time.
template <typename Request, typename Response>
class WatchCall final : public Call {
 public:
  using Writer = grpc::ServerAsyncWriter<grpc::ByteBuffer>;
  using Accept =
      std::function<void(grpc::ServerContext*, grpc::ByteBuffer*, Writer*, grpc::ServerCompletionQueue*, void*)>;
  using Handler = std::function<std::unique_ptr<StreamHandler>(WatchCall&)>;
  struct Method {
    Accept accept;
    Handler handler;
    const MethodRule* rule;
  };

  static void Await(CallLoop& loop, std::shared_ptr<const Method> method) { new WatchCall(loop, std::move(method)); }

  const Request& request() const { return request_; }
  void Write(const Response& message) {
    Hold();
    const grpc::ByteBuffer bytes = Serialized(message);
    BeginSend(static_cast<int64_t>(bytes.Length()));
    writer_.Write(bytes, &written_);
  }
  void Finish(const absl::Status& status) override { writer_.Finish(EndWith(status), &finished_); }

 private:
  WatchCall(CallLoop& loop, std::shared_ptr<const Method> method) : Call(loop), method_(std::move(method)) {
    method_->accept(&context_, &received_, &writer_, loop.queue(), &begun_);
  }

  void AfterBegin(bool ok) {
    if (!ok) return Discard();
    Await(loop_, method_);
    absl::Status status = Enter(*method_->rule);
    Arrived(received_);
    if (status.ok()) status = CatchToStatus([this] { return ReadRequest(); });
    if (!status.ok()) return Refuse(status);
    handler_ = method_->handler(*this);
    OnCancel([this] { handler_->OnCancel(); });
  }
  void Refuse(const absl::Status& why) {
    received_.Clear();
    Finish(why);
  }
  absl::Status ReadRequest() {
    FERRY_RETURN_IF_ERROR(ReserveRequest(received_, *Request::descriptor()));
    if (request_bytes() > kLargeRequest) {  // it is kept for as long as the call, which may be for ever
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "the {} takes {} bytes; expected at most {} for a call that goes on",
                              Request::descriptor()->full_name(), request_bytes(), kLargeRequest);
    }
    return ParseInto(received_, request_);
  }
  void AfterWrite(bool ok) {
    EndSend();
    handler_->OnWritten(ok);
    Release();
  }

  const std::shared_ptr<const Method> method_;
  MemberEvent<WatchCall> begun_{this, &WatchCall::AfterBegin};
  MemberEvent<WatchCall> written_{this, &WatchCall::AfterWrite};
  grpc::ByteBuffer received_;
  Request request_;
  Writer writer_{&context_};
  std::unique_ptr<StreamHandler> handler_;
};

}  // namespace torchferry::rpc
