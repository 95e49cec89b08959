// gRPC calls over the asynchronous API: what the services' handlers see of a call.
#pragma once

#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "server/base/clock.h"
#include "server/rpc/transport/call_loop.h"
#include "server/rpc/transport/status_map.h"

namespace torchferry::rpc {

// The event that calls `method` of `Owner`.
template <typename Owner>
class MemberEvent final : public CallEvent {
 public:
  using Method = void (Owner::*)(bool ok);
  MemberEvent(Owner* owner, Method method) : owner_(owner), method_(method) {}
  void Happened(bool ok) override { (owner_->*method_)(ok); }

 private:
  Owner* const owner_;
  const Method method_;
};

// A call of any kind. It lives until it has been finished, gRPC is done with it, and no operation of its is under way.
class Call {
 public:
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // By when the caller wants the answer; kNoDeadline: it did not say.
  base::TimePoint DeadlineOn(const base::Clock& clock) const;

  // The caller's address, which tells one connection from another.
  std::string peer() const { return context_.peer(); }

  // The caller gave up, or its connection is gone. Any thread, until Finish.
  bool IsCancelled() const { return is_cancelled_.load(std::memory_order_relaxed); }
  // Called on the loop's thread when that happens. To be set by the handler, before it returns.
  void OnCancel(std::function<void()> callback) { on_cancel_ = std::move(callback); }

  // Ends the call. Once, on any thread; the call may be gone when this returns.
  virtual void Finish(const absl::Status& status) = 0;

 protected:
  explicit Call(CallLoop& loop);
  virtual ~Call();

  // For each operation that is begun, and when its event has come: the call may then be gone.
  void Hold() { uses_.fetch_add(1, std::memory_order_relaxed); }
  void Release() {
    if (uses_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  CallLoop& loop_;
  grpc::ServerContext context_;
  MemberEvent<Call> finished_{this, &Call::AfterFinish};

 private:
  void AfterFinish(bool) { Release(); }
  void AfterEnd(bool);

  MemberEvent<Call> ended_{this, &Call::AfterEnd};
  std::atomic<int> uses_{2};  // the end and the finish
  std::atomic<bool> is_cancelled_{false};
  std::function<void()> on_cancel_;
};

// One request, one response.
template <typename Request, typename Response>
class UnaryCall final : public Call {
 public:
  // How a service takes the next call of a method, and what it does with it.
  using Accept = std::function<void(grpc::ServerContext*, Request*, grpc::ServerAsyncResponseWriter<Response>*,
                                    grpc::ServerCompletionQueue*, void*)>;
  using Handler = std::function<void(UnaryCall&)>;
  struct Method {
    Accept accept;
    Handler handler;
  };

  static void Await(CallLoop& loop, std::shared_ptr<const Method> method) { new UnaryCall(loop, std::move(method)); }

  const Request& request() const { return *request_; }
  Response& response() { return *response_; }
  void Finish(const absl::Status& status) override {
    if (status.ok()) {
      writer_.Finish(*response_, grpc::Status::OK, &finished_);
    } else {
      writer_.FinishWithError(ToGrpc(status), &finished_);
    }
  }

 private:
  UnaryCall(CallLoop& loop, std::shared_ptr<const Method> method) : Call(loop), method_(std::move(method)) {
    method_->accept(&context_, request_, &writer_, loop.queue(), &begun_);
  }

  static google::protobuf::ArenaOptions OptionsOver(std::array<char, 1024>& block) {
    google::protobuf::ArenaOptions options;
    options.initial_block = block.data();
    options.initial_block_size = block.size();
    return options;
  }

  void AfterBegin(bool ok) {
    if (!ok) return delete this;  // the server has shut down
    Await(loop_, method_);
    method_->handler(*this);
  }

  const std::shared_ptr<const Method> method_;
  MemberEvent<UnaryCall> begun_{this, &UnaryCall::AfterBegin};
  // What a small request and its response are made of is in the call itself.
  std::array<char, 1024> first_block_;
  google::protobuf::Arena arena_{OptionsOver(first_block_)};
  Request* const request_ = google::protobuf::Arena::CreateMessage<Request>(&arena_);
  Response* const response_ = google::protobuf::Arena::CreateMessage<Response>(&arena_);
  grpc::ServerAsyncResponseWriter<Response> writer_{&context_};
};

// What is done with a call that has several messages. Made when the call begins, and destroyed with it. All on the
// loop's thread.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // `ok`: a message has come; otherwise the caller will send none any more.
  virtual void OnRead(bool) {}
  // `ok`: the message is on its way; otherwise the caller has gone.
  virtual void OnWritten(bool ok) = 0;
  // The caller gave up, or the call has ended.
  virtual void OnCancel() {}
};

// Many requests, many responses: one read and one write at a time.
template <typename Request, typename Response>
class BidiCall final : public Call {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<Response, Request>;
  using Accept = std::function<void(grpc::ServerContext*, Stream*, grpc::ServerCompletionQueue*, void*)>;
  using Handler = std::function<std::unique_ptr<StreamHandler>(BidiCall&)>;
  struct Method {
    Accept accept;
    Handler handler;
  };

  static void Await(CallLoop& loop, std::shared_ptr<const Method> method) { new BidiCall(loop, std::move(method)); }

  // The messages live until the event.
  void Read(Request* message) {
    Hold();
    stream_.Read(message, &read_);
  }
  void Write(const Response& message) {
    Hold();
    stream_.Write(message, &written_);
  }
  void Finish(const absl::Status& status) override { stream_.Finish(ToGrpc(status), &finished_); }

 private:
  BidiCall(CallLoop& loop, std::shared_ptr<const Method> method) : Call(loop), method_(std::move(method)) {
    method_->accept(&context_, &stream_, loop.queue(), &begun_);
  }

  void AfterBegin(bool ok) {
    if (!ok) return delete this;
    Await(loop_, method_);
    OnCancel([this] { handler_->OnCancel(); });
    handler_ = method_->handler(*this);
  }
  void AfterRead(bool ok) {
    handler_->OnRead(ok);
    Release();
  }
  void AfterWrite(bool ok) {
    handler_->OnWritten(ok);
    Release();
  }

  const std::shared_ptr<const Method> method_;
  MemberEvent<BidiCall> begun_{this, &BidiCall::AfterBegin};
  MemberEvent<BidiCall> read_{this, &BidiCall::AfterRead};
  MemberEvent<BidiCall> written_{this, &BidiCall::AfterWrite};
  Stream stream_{&context_};
  std::unique_ptr<StreamHandler> handler_;
};

// One request, many responses: one write at a time.
template <typename Request, typename Response>
class WatchCall final : public Call {
 public:
  using Writer = grpc::ServerAsyncWriter<Response>;
  using Accept = std::function<void(grpc::ServerContext*, Request*, Writer*, grpc::ServerCompletionQueue*, void*)>;
  using Handler = std::function<std::unique_ptr<StreamHandler>(WatchCall&)>;
  struct Method {
    Accept accept;
    Handler handler;
  };

  static void Await(CallLoop& loop, std::shared_ptr<const Method> method) { new WatchCall(loop, std::move(method)); }

  const Request& request() const { return request_; }
  // The message lives until the event.
  void Write(const Response& message) {
    Hold();
    writer_.Write(message, &written_);
  }
  void Finish(const absl::Status& status) override { writer_.Finish(ToGrpc(status), &finished_); }

 private:
  WatchCall(CallLoop& loop, std::shared_ptr<const Method> method) : Call(loop), method_(std::move(method)) {
    method_->accept(&context_, &request_, &writer_, loop.queue(), &begun_);
  }

  void AfterBegin(bool ok) {
    if (!ok) return delete this;
    Await(loop_, method_);
    OnCancel([this] { handler_->OnCancel(); });
    handler_ = method_->handler(*this);
  }
  void AfterWrite(bool ok) {
    handler_->OnWritten(ok);
    Release();
  }

  const std::shared_ptr<const Method> method_;
  MemberEvent<WatchCall> begun_{this, &WatchCall::AfterBegin};
  MemberEvent<WatchCall> written_{this, &WatchCall::AfterWrite};
  Request request_;
  Writer writer_{&context_};
  std::unique_ptr<StreamHandler> handler_;
};

}  // namespace torchferry::rpc
