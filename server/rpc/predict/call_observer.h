// Observes every Predict of both APIs when it begins and when it ends. Metrics and the request log use it. Other
// observers of requests may use it, too.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "server/base/clock.h"
#include "server/identity/caller.h"
#include "server/serving/servable.h"

namespace torchferry::rpc {

// The head of a request, known even where the rest cannot be decoded. Views of its message, which lives until the
// answer is sent.
struct RequestHead {
  std::string_view method;         // of the service: "Predict", "ModelStreamInfer"
  const std::string& model;        // as the client named it: of any length, with any bytes
  const std::string& request_id;   // of any length, with any bytes; empty when the client gave none
  const identity::Caller& caller;  // whose request it is
};

// One request. Each message of a stream is a request.
struct PredictCall {
  RequestHead head;
  int64_t version = 0;      // version asked for; 0: the newest, or it could not be decoded
  bool is_admitted = true;  // false: refused, as the server drains
  base::TimePoint arrived{};
  serving::Servable* servable = nullptr;  // answers the request; null: it was not found
};

// How a request ended.
struct PredictEnd {
  const absl::Status& status;  // sent to the client
  std::string_view device;     // device that answered; empty: no device did
  base::Duration duration{};   // from its arrival until its answer is encoded
};

// Thread-safe. Must not block. The arguments are valid only during the call.
class CallObserver {
 public:
  virtual ~CallObserver() = default;

  // Called once for each request, after the lookup of its servable, on the loop's thread or that of its large messages.
  virtual void OnBegin(const PredictCall& call) = 0;
  // Called once for each OnBegin, with the same fields, before the answer is sent, on the thread that sends it.
  virtual void OnEnd(const PredictCall& call, const PredictEnd& end) = 0;
  // A stream was refused before its first request.
  virtual void OnStreamRefused(const absl::Status& /*why*/) {}
};

}  // namespace torchferry::rpc
