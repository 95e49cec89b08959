// PredictStream, for any API (see predict_calls.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/rpc/predict/answer_size.h"
#include "server/rpc/predict/predict_calls.h"
#include "server/rpc/predict/predictor.h"
#include "server/rpc/predict/stream_sessions.h"
#include "server/rpc/predict/stream_window.h"
#include "server/rpc/transport/call.h"
#include "server/rpc/transport/outgoing.h"

namespace torchferry::rpc {

// Takes as many requests as StreamWindow allows, so that they share batches, and answers them in their order. A client
// can flood neither the queue nor the memory: further requests stay unread. A request to a stateful model runs alone in
// its stream. The stream's sessions end with it.
template <typename Api>
class PredictStreamHandler final : public StreamHandler {
 public:
  using Message = typename Api::RequestMessage;
  using Stream = BidiCall<Message, typename Api::StreamMessage>;

  PredictStreamHandler(Predictor& predictor, const base::Clock& clock, Stream& call)
      : predictor_(predictor), clock_(clock), call_(call), place_(predictor.EnterStream(call.caller())) {
    if (!place_.ok()) {
      {
        base::MutexLock lock(mutex_);
        is_finished_ = true;
      }
      call_.Finish(place_.status());
      return;
    }
    Advance();
    const base::Duration max_idle = predictor.max_stream_idle();
    if (max_idle > base::Duration::zero()) call_.SetTimer(max_idle);
  }

  bool MayTake(int64_t bytes) override {
    base::MutexLock lock(mutex_);
    arrived_bytes_ = bytes;
    if (window_.Admits(in_flight_.size(), bytes, MaxBytes())) return true;
    next_is_ = Next::kArrived;
    return false;
  }

  void OnRead(bool ok, const absl::Status& refused) override {
    {
      base::MutexLock lock(mutex_);
      if (is_finished_) return;  // it came too late: the stream has been ended
      is_taking_ = true;
    }
    if (!ok) {  // the client sends no more, or is gone
      {
        base::MutexLock lock(mutex_);
        next_is_ = Next::kNone;
      }
      return Advance();
    }
    if (!refused.ok()) return Begin(refused, /*is_refused=*/true);
    // Since the stream began the caller's token may have expired, or its identity may have been taken away.
    if (const absl::Status known = call_.Renew(next_->caller); !known.ok()) return Begin(known, /*is_refused=*/true);
    const Message& message = *next_->message;
    absl::StatusOr<Request> request = DecodeFor<Api>(call_, message, clock_);
    next_->is_alone =
        request.ok() && predictor_.IsStateful(next_->caller, message.model_name(), request->version, sessions_);
    {
      base::MutexLock lock(mutex_);
      if (next_->is_alone && !in_flight_.empty()) {
        next_is_ = Next::kDecoded;
        decoded_ = std::move(request);
        return;
      }
    }
    Begin(std::move(request), /*is_refused=*/false);
  }

  // Ends a stream with a state that has been idle for too long, and otherwise sets the timer again.
  void OnTimer() override {
    const base::Duration max_idle = predictor_.max_stream_idle();
    base::Duration left = max_idle;
    if (sessions_.HasState()) {
      base::MutexLock lock(mutex_);
      const bool is_idle = next_is_ == Next::kReading && !is_taking_ && in_flight_.empty() && !is_finished_;
      if (is_idle) left = last_written_ + max_idle - clock_.Now();
      if (left <= base::Duration::zero()) is_finished_ = is_broken_ = true;
    }
    if (left > base::Duration::zero()) return call_.SetTimer(left);
    call_.Finish(base::MakeStatus(absl::StatusCode::kAborted,
                                  "this stream has had no request for {:.3g} s, and its state is gone "
                                  "(--stateful-stream-timeout-seconds); open a "
                                  "new stream and begin again",
                                  base::ToSeconds(max_idle)));
  }

  void OnWritten(bool ok) override {
    std::unique_ptr<Exchange> written;
    Exchange* first = nullptr;
    const base::TimePoint now = clock_.Now();
    {
      base::MutexLock lock(mutex_);
      last_written_ = now;
      is_writing_ = false;
      is_broken_ |= !ok;
      written = std::move(in_flight_.front());
      in_flight_.pop_front();
      first = TakeToWrite();
    }
    call_.Resize(written->memory, 0).IgnoreError();  // it shrinks
    {
      base::MutexLock lock(mutex_);
      written->is_answered = false;
      spare_ = std::move(written);
    }
    if (first != nullptr) call_.Write(std::exchange(first->response, {}));
    Advance();
  }

 private:
  // A request and its answer. Later requests reuse it, with the memory that its messages have kept.
  struct Exchange {
    std::shared_ptr<Message> message = std::make_shared<Message>();
    identity::Caller caller;  // as known when the message came
    bool is_kept = false;     // its bytes are still read after the answer
    bool is_alone = false;
    int64_t memory = 0;  // its part of the call's memory
    int64_t answer_bytes = 0;
    OutgoingMessage response;
    bool is_answered = false;  // its answer may be written
  };

  // The state of the next request. The thread that sets kReading, under the mutex, owns `next_`, `sessions_` and the
  // reading side of the call until it sets another state. This rule is needed because large messages come on another
  // thread than the loop's.
  enum class Next {
    kNothing,  // it is read as soon as the window allows
    kReading,  // it is being read, taken, or begun
    kArrived,  // its bytes wait for room beside the others
    kDecoded,  // it is decoded, and waits until the others are answered
    kNone,     // no more requests come
  };

  int64_t MaxBytes() const { return StreamWindow::MaxBytes(call_.budget().limits(), call_.budget().used()); }

  bool MayReadNext() const FERRY_REQUIRES(mutex_) {
    if (in_flight_.empty()) return true;
    return !in_flight_.back()->is_alone && window_.Admits(in_flight_.size(), 0, MaxBytes());
  }

  // The next answer to write, or null. A request that is not answered holds back those behind it.
  Exchange* TakeToWrite() FERRY_REQUIRES(mutex_) {
    if (is_writing_) return nullptr;
    if (is_broken_) std::erase_if(in_flight_, [](const auto& exchange) { return exchange->is_answered; });
    if (is_broken_ || in_flight_.empty() || !in_flight_.front()->is_answered) return nullptr;
    is_writing_ = true;
    return in_flight_.front().get();
  }

  // Returns true once, when the call must be finished.
  bool TakeEnd() FERRY_REQUIRES(mutex_) {
    const bool comes_no_more = next_is_ == Next::kNone || (is_broken_ && next_is_ != Next::kReading);
    if (!comes_no_more || !in_flight_.empty() || is_finished_) return false;
    is_finished_ = true;
    return true;
  }

  // `is_broken`: the value of is_broken_ at TakeEnd. The call may be gone when this returns.
  void Finish(bool is_broken) {
    call_.Finish(is_broken ? absl::CancelledError("the client went away") : absl::OkStatus());
  }

  // Ends the stream, or reads, takes or begins the next request, where that is possible now.
  void Advance() {
    std::optional<absl::StatusOr<Request>> decoded;
    bool reads = false;
    bool ends = false;
    bool is_broken = false;
    {
      base::MutexLock lock(mutex_);
      ends = TakeEnd();
      is_broken = is_broken_;
      if (!ends && is_broken) return;
      if (!ends) {
        reads = next_is_ == Next::kNothing && MayReadNext();
        const bool takes = next_is_ == Next::kArrived && window_.Admits(in_flight_.size(), arrived_bytes_, MaxBytes());
        const bool begins = next_is_ == Next::kDecoded && in_flight_.empty();
        if (!reads && !takes && !begins) return;
        next_is_ = Next::kReading;
        if (begins) decoded = std::exchange(decoded_, std::nullopt);
      }
    }
    if (ends) return Finish(is_broken);
    if (reads) return call_.Read(next_->message.get(), &next_->memory);
    if (decoded.has_value()) return Begin(*std::move(decoded), /*is_refused=*/false);
    call_.Take();
  }

  // `is_refused`: only the client is told, no observer is.
  void Begin(absl::StatusOr<Request> request, bool is_refused) {
    Exchange& exchange = *next_;
    {
      base::MutexLock lock(mutex_);
      window_.Saw(exchange.memory);
      in_flight_.push_back(std::move(next_));
      is_taking_ = false;
      next_ = spare_ != nullptr ? std::move(spare_) : std::make_unique<Exchange>();
    }
    if (is_refused) {
      Send(exchange, request.status());
    } else {
      const Message& message = *exchange.message;
      predictor_.Predict(
          {Api::kStreamMethod, message.model_name(), Api::RequestId(message), exchange.caller}, std::move(request),
          &sessions_,
          {.encode = [this, &exchange](const Answer& answer) { return Encode(exchange, answer); },
           .send = [this, &exchange](const absl::Status& status) { Send(exchange, status); },
           .keep = [&exchange] { return Keep(exchange); },
           .reserve = [this,
                       &exchange](int64_t bytes) { return call_.Resize(exchange.memory, exchange.memory + bytes); }});
    }
    {
      base::MutexLock lock(mutex_);
      next_is_ = Next::kNothing;
    }
    Advance();
  }

  static std::shared_ptr<const void> Keep(Exchange& exchange) {
    exchange.is_kept = true;
    return exchange.message;
  }

  absl::Status Encode(Exchange& exchange, const Answer& answer) {
    const int64_t bytes = BytesOf(answer);
    FERRY_RETURN_IF_ERROR(call_.Resize(exchange.memory, exchange.memory + bytes));
    exchange.answer_bytes = bytes;
    {
      base::MutexLock lock(mutex_);
      window_.Saw(exchange.memory);
    }
    FERRY_RETURN_IF_ERROR(Api::EncodeForStream(answer, *exchange.message, exchange.response));
    return CheckMessageSize(answer.result.outputs, exchange.response.size(), call_.max_message_bytes());
  }

  // Called on the thread that has the answer.
  void Send(Exchange& exchange, const absl::Status& status) {
    if (!status.ok()) {
      exchange.response = {};
      exchange.answer_bytes = 0;
      Api::EncodeErrorForStream(status, *exchange.message, exchange.response);
    }
    // The message keeps its memory, unless a pass that does not end still reads it.
    if (std::exchange(exchange.is_kept, false)) {
      exchange.message = std::make_shared<Message>();
    } else {
      *exchange.message = {};
    }
    call_.Resize(exchange.memory, std::exchange(exchange.answer_bytes, 0)).IgnoreError();  // it shrinks
    Exchange* first = nullptr;
    bool ends = false;
    {
      base::MutexLock lock(mutex_);
      exchange.is_answered = true;
      first = TakeToWrite();
      ends = is_broken_ && TakeEnd();
    }
    if (first != nullptr) call_.Write(std::exchange(first->response, {}));
    if (ends) Finish(/*is_broken=*/true);
  }

  Predictor& predictor_;
  const base::Clock& clock_;
  Stream& call_;
  const absl::StatusOr<Flights::Place> place_;  // among the streams of the client
  StreamSessions sessions_;
  std::unique_ptr<Exchange> next_ = std::make_unique<Exchange>();

  base::Mutex mutex_;
  std::deque<std::unique_ptr<Exchange>> in_flight_ FERRY_GUARDED_BY(mutex_);  // in the order of arrival
  std::unique_ptr<Exchange> spare_ FERRY_GUARDED_BY(mutex_);
  StreamWindow window_ FERRY_GUARDED_BY(mutex_);
  Next next_is_ FERRY_GUARDED_BY(mutex_) = Next::kNothing;
  int64_t arrived_bytes_ FERRY_GUARDED_BY(mutex_) = 0;
  std::optional<absl::StatusOr<Request>> decoded_ FERRY_GUARDED_BY(mutex_);
  bool is_taking_ FERRY_GUARDED_BY(mutex_) = false;  // a message has come, and is not in flight yet
  base::TimePoint last_written_ FERRY_GUARDED_BY(mutex_) = clock_.Now();
  bool is_writing_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_broken_ FERRY_GUARDED_BY(mutex_) = false;  // the client has gone
  bool is_finished_ FERRY_GUARDED_BY(mutex_) = false;
};

}  // namespace torchferry::rpc
